"""The run folder: what belongs to one run, and the check that a run may go on in it."""

import importlib.metadata
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, SettingsError
from medpipe.io.atomic import TEMPORARY_PREFIX, write_text
from medpipe.runs.folder.state import StateStore
from medpipe.runs.pipeline import Pipeline
from medpipe.runs.plan import UnitKind

RUN_FORMAT: Final = "medpipe run 1"
_LIBRARIES: Final = ("numpy", "scikit-image", "torch", "monai", "pydicom", "nibabel")


class RunRecord(BaseModel):
    """Content of ``run.json``: everything needed to go on, and what the run was made with.

    Attributes:
        format: Tells a run folder from other folders.
        pipeline: Resolved settings of the pipeline.
        inputs: Absolute paths that were indexed.
        names: How studies are named.
        key_fingerprint: Tells whether another key is used.
        group_by: How files become studies.
        seed: Seed of the run.
        medpipe: Version.
        libraries: Versions of the libraries that results depend on.
        shard_patients: Patients a shard; None where units are studies.
        started: UTC, ISO 8601.
        host: Machine that started the run.
        device: Device that was chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = RUN_FORMAT
    pipeline: dict[str, Any]
    inputs: tuple[str, ...]
    names: str
    key_fingerprint: str
    group_by: str
    seed: int
    shard_patients: int | None = None
    medpipe: str
    libraries: dict[str, str] = Field(default_factory=dict)
    started: str
    host: str
    device: str


class ListedUnit(BaseModel):
    """A unit of the run, whether begun or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    label: str


class RunListing(BaseModel):
    """Content of ``index.json``: the units, and the files that are none.

    Attributes:
        num_files: All files that were seen.
        units: Every unit.
        skipped: Path and reason of files that hold nothing to work on.
        num_patients: Patients of all shards; None where units are studies.
        kind: What the units are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_files: int
    units: tuple[ListedUnit, ...]
    skipped: tuple[tuple[str, str], ...]
    num_patients: int | None = None
    kind: UnitKind = UnitKind.STUDY


@dataclass(frozen=True)
class RunFolder:
    """A run folder on disk.

    Attributes:
        path: The folder.
        durable: Whether writes survive a power cut (fsync).
    """

    path: Path
    durable: bool = False
    states: StateStore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", StateStore(self.path / "state", durable=self.durable))

    @property
    def studies(self) -> Path:
        """Folder of the study folders: each is complete or absent."""
        return self.path / "studies"

    @property
    def work(self) -> Path:
        """Folder of what is being written."""
        return self.path / "work"

    @property
    def logs(self) -> Path:
        """Folder of the workers' logs."""
        return self.path / "logs"

    def check_new(self) -> None:
        """Check that a run may begin here.

        Raises:
            SettingsError: It is a file, or holds files (``E_OUTPUT``).
        """
        if self.path.is_dir():
            names = [item.name for item in self.path.iterdir() if not item.name.startswith(TEMPORARY_PREFIX)]
        else:
            names = [self.path.name] if self.path.exists() else []
        if names:
            raise SettingsError(
                Code.E_OUTPUT,
                f"The output {self.path} is neither an empty folder nor a run",
                found=f"{len(names)} files or folders",
                fix="Choose a new folder.",
            )

    def create(self, record: RunRecord) -> None:
        """Make the folder and its parts, ``run.json`` first: what holds it is known for a run from then on.

        Raises:
            MachineError: It cannot be written (``E_DISK``).
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_text(self.path / "run.json", record.model_dump_json(indent=1) + "\n", durable=self.durable)
            for folder in (self.studies, self.work, self.logs, self.path / "state"):
                folder.mkdir(exist_ok=True)
        except MachineError:
            raise
        except OSError as error:
            raise MachineError(
                Code.E_DISK, f"The output folder {self.path} cannot be made", found=error.strerror or ""
            ) from error

    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return (self.path / "run.json").is_file()

    def read_record(self) -> RunRecord:
        """Read ``run.json``.

        Raises:
            SettingsError: The folder holds no run, or one of another format.
        """
        try:
            return RunRecord.model_validate_json((self.path / "run.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SettingsError(
                Code.E_OUTPUT,
                f"{self.path} holds no run",
                found="no run.json",
                fix="Name the folder that was given to 'medpipe run' as --output.",
            ) from error
        except ValidationError as error:
            raise SettingsError(
                Code.E_OUTPUT,
                f"{self.path / 'run.json'} is not a record of {RUN_FORMAT!r}",
                found=error.errors(include_url=False)[0]["msg"],
                fix="Use the version of medpipe that made it, or a new folder.",
            ) from error

    def read_listing(self) -> RunListing:
        """Read ``index.json``; empty where indexing has not ended or a power cut left no valid file."""
        try:
            return RunListing.model_validate_json((self.path / "index.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return RunListing(num_files=0, units=(), skipped=())

    def write_listing(self, listing: RunListing) -> None:
        """Write ``index.json``."""
        write_text(self.path / "index.json", listing.model_dump_json() + "\n", durable=self.durable)


def check_continuation(record: RunRecord, old: RunRecord, pipeline: Pipeline, *, update: bool) -> None:
    """Check that a run may go on in the folder of an older one.

    Raises:
        SettingsError: The key, naming, grouping or shards differ, or the pipeline changed and ``update`` is
            off (``E_PIPELINE_CHANGED``, naming the stages).
    """
    for name, words in (
        ("key_fingerprint", "another key"),
        ("names", "another naming"),
        ("group_by", "another grouping"),
        ("shard_patients", "shards of another size"),
    ):
        if getattr(record, name) != getattr(old, name):
            raise SettingsError(
                Code.E_OUTPUT,
                f"The run was begun with {words}",
                fix="Use the same options again, or a new output folder.",
            )
    changed = pipeline.changed_stages(old.pipeline)
    if record.seed != old.seed:
        changed = ("seed", *changed)
    if changed and not update:
        raise SettingsError(
            Code.E_PIPELINE_CHANGED,
            "The run folder was made by another pipeline",
            found=f"changed: {', '.join(changed)}",
            fix="Pass --update to bring its studies up to date, or choose a new output folder.",
        )


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def medpipe_version() -> str:
    """Return the version of medpipe; ``0+unknown`` when it is not installed."""
    try:
        return importlib.metadata.version("medpipe")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"
