"""Pipeline files: YAML that is data, read into typed stages and checked before anything runs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import SettingsFile, nearest, parse_settings, read_settings, validate_settings
from medpipe.io.series import Form, Trait
from medpipe.runs.catalogue import STAGES, stage_class, stage_reference
from medpipe.runs.stage import IMAGES, INPUTS, REQUESTS, Good, Params, Stage

_PACKAGED: Final = Path(__file__).resolve().parents[1] / "_pipelines"
_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "pipelines"

DERIVED_KEYS: Final = frozenset({"version", "assets"})
"""Keys of a resolved stage that follow from the code and the packages, not from the file."""

Preference = Literal["most_slices", "fewest_slices", "thinnest", "first_uid"]


class PipelineInput(StrEnum):
    """What the units of a pipeline are."""

    STUDIES = "studies"
    RECORDS = "records"
    """Shards of patients out of health records."""


class RoleRule(BaseModel):
    """Which series of a study may take a role.

    Attributes:
        modality: DICOM modalities; empty for any. Files that state none are taken, with a flag.
        form: Values the image may be read into, best first.
        min_slices: Fewest slices.
        max_slices: Most slices.
        prefer: How to choose among several; without it several are refused as ambiguous.
        allow: Traits that are otherwise set aside: localizer, derived, secondary capture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: tuple[str, ...] = ()
    form: tuple[Form, ...] = Field(default=(Form.VOLUME,), min_length=1)
    min_slices: int = Field(default=1, ge=1)
    max_slices: int | None = Field(default=None, ge=1)
    prefer: Preference | None = None
    allow: tuple[Trait, ...] = ()


class _StageEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    use: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    input: PipelineInput = PipelineInput.STUDIES
    accepts: dict[str, RoleRule] = Field(default_factory=dict)
    stages: tuple[_StageEntry, ...] = Field(min_length=1)


@dataclass(frozen=True)
class StageSpec:
    """One stage of a pipeline with its parameters, ready to be made in any process.

    Attributes:
        name: Name of the stage.
        reference: ``module:Class``.
        version: Version of its code.
        params: Its parameters.
        assets: Digests of what the parameters name, such as a model package.
    """

    name: str
    reference: str
    version: str
    params: Params
    assets: Mapping[str, str] = field(default_factory=dict)

    def make(self) -> Stage:
        """Build the stage; it is not opened yet."""
        kind = stage_class(self.reference)
        return kind(self.params)  # type: ignore[call-arg]  # each stage takes its own params

    def key(self, before: str) -> str:
        """Return the stage key: a hash over version, parameters, assets and the key before it."""
        content = [
            before,
            self.name,
            self.version,
            self.params.model_dump(mode="json"),
            dict(self.assets),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline.

    Attributes:
        name: Its name.
        description: One or two sentences for people.
        accepts: Which series takes which role.
        stages: In order.
        input: Whether its units are studies or shards of patients.
    """

    name: str
    description: str
    accepts: Mapping[str, RoleRule]
    stages: tuple[StageSpec, ...]
    input: PipelineInput = PipelineInput.STUDIES

    def resolved(self) -> dict[str, Any]:
        """Return all settings, defaults included, as ``run.json`` keeps them."""
        return {
            "name": self.name,
            "description": self.description,
            **({} if self.input is PipelineInput.STUDIES else {"input": self.input.value}),
            "accepts": {role: rule.model_dump(mode="json") for role, rule in self.accepts.items()},
            "stages": [
                {
                    "use": spec.name,
                    "version": spec.version,
                    **({"assets": dict(spec.assets)} if spec.assets else {}),
                    **spec.params.model_dump(mode="json"),
                }
                for spec in self.stages
            ],
        }

    def key(self) -> str:
        """Return a hash over all settings that results follow from: which pipeline a study belongs to."""
        settings = {name: value for name, value in self.resolved().items() if name != "description"}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]

    def changed_stages(self, old: Mapping[str, Any]) -> tuple[str, ...]:
        """Name what differs from the resolved settings of an older run."""
        new = self.resolved()
        changed = [part for part in ("name", "input", "accepts") if new.get(part) != old.get(part)]
        before = list(old.get("stages", []))
        for index, entry in enumerate(new["stages"]):
            if index >= len(before) or before[index] != entry:
                changed.append(str(entry["use"]))
        changed += [f"{entry['use']} (removed)" for entry in before[len(new["stages"]) :]]
        return tuple(dict.fromkeys(changed))


def pipeline_folders() -> tuple[Path, ...]:
    """Return the folders that named pipelines are looked for in."""
    return tuple(folder for folder in (_PACKAGED, _CHECKOUT) if folder.is_dir())


def named_pipelines() -> dict[str, Path]:
    """Return the pipeline files that come with medpipe, by name."""
    found: dict[str, Path] = {}
    for folder in pipeline_folders():
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def find_pipeline(name: str) -> Path:
    """Return the file of a pipeline given by path or by name.

    Raises:
        SettingsError: There is neither; names the nearest.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return path
    known = named_pipelines()
    if name not in known:
        raise SettingsError(Code.E_SETTINGS, f"There is no pipeline {name!r}", fix=nearest(name, known))
    return known[name]


def read_pipeline(
    name: str | Path, *, overrides: Sequence[str] = (), catalogue: Mapping[str, str] = STAGES
) -> Pipeline:
    """Read and check a pipeline.

    Args:
        name: Name of a pipeline that comes with medpipe, or path of a YAML file.
        overrides: ``stage.key=value``, as ``--set`` takes them.
        catalogue: Known stages.

    Raises:
        SettingsError: Says which line or option is wrong and what would be right.
    """
    return build_pipeline(read_settings(find_pipeline(str(name))), overrides=overrides, catalogue=catalogue)


def build_pipeline(
    settings: SettingsFile, *, overrides: Sequence[str] = (), catalogue: Mapping[str, str] = STAGES
) -> Pipeline:
    """Check parsed settings; see :func:`read_pipeline`."""
    file = validate_settings(_File, settings)
    changes = _parse_overrides(overrides, [entry.use for entry in file.stages])
    specs = []
    for index, entry in enumerate(file.stages):
        place = settings.place(("stages", index, "use"))
        reference = stage_reference(entry.use, place=place, catalogue=catalogue)
        kind = stage_class(reference)
        params = _stage_params(kind, settings, index, changes.get(entry.use, {}))
        specs.append(StageSpec(entry.use, reference, kind.version, params, kind.assets(params)))
    pipeline = Pipeline(file.name, file.description, file.accepts, tuple(specs), file.input)
    _check_input(pipeline, settings)
    _check_flow(pipeline, settings)
    _check_requests(pipeline, settings)
    return pipeline


def _stage_params(kind: type[Stage], settings: SettingsFile, index: int, changes: dict[str, Any]) -> Params:
    entry = {key: value for key, value in settings.data["stages"][index].items() if key != "use"}
    depth = len(("stages", index))
    lines = {path[depth:]: line for path, line in settings.lines.items() if path[:depth] == ("stages", index)}
    params = validate_settings(kind.params_type, SettingsFile(settings.name, entry, lines))
    if not changes:
        return params
    return validate_settings(kind.params_type, SettingsFile(f"--set {kind.name}", {**entry, **changes}, {}))


def _parse_overrides(overrides: Sequence[str], stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    changes: dict[str, dict[str, Any]] = {}
    for text in overrides:
        target, equals, value = text.partition("=")
        stage, dot, key = target.strip().partition(".")
        if not (equals and dot and key):
            raise SettingsError(
                Code.E_SETTINGS,
                "--set takes stage.key=value",
                found=repr(text),
                fix="Such as measure.mask=false.",
            )
        if stage not in stages:
            raise SettingsError(
                Code.E_SETTINGS,
                f"--set {text}: the pipeline has no stage {stage!r}",
                fix=nearest(stage, stages),
            )
        changes.setdefault(stage, {})[key] = parse_settings(value, name=f"--set {text}").data
    return changes


def _check_input(pipeline: Pipeline, settings: SettingsFile) -> None:
    if pipeline.input is PipelineInput.RECORDS and pipeline.accepts:
        raise SettingsError(
            Code.E_SETTINGS,
            f"{settings.place(('accepts',))}: a pipeline of records accepts no images",
            found=", ".join(pipeline.accepts),
            fix="Remove 'accepts', or 'input: records'.",
        )


def _check_flow(pipeline: Pipeline, settings: SettingsFile) -> None:
    """Check that each stage finds what it takes among what the stages before it give."""
    carried = {Good(form.value) for rule in pipeline.accepts.values() for form in rule.form}
    given = {Good.RECORDS} if pipeline.input is PipelineInput.RECORDS else set()
    for index, spec in enumerate(pipeline.stages):
        kind = stage_class(spec.reference)
        place = settings.place(("stages", index, "use"))
        given |= kind.gives - (IMAGES - carried)
        missing = (kind.takes - INPUTS) - given
        if missing:
            raise SettingsError(
                Code.E_SETTINGS,
                f"{place}: the stage {spec.name!r} needs {', '.join(sorted(missing))}",
                found="no stage before it that gives them",
                fix="Put such a stage before it.",
            )
        unsuited = (given & INPUTS) - kind.takes if kind.takes & INPUTS else set()
        if kind.takes & INPUTS and (unsuited or not given & INPUTS):
            raise SettingsError(
                Code.E_SETTINGS,
                f"{place}: the stage {spec.name!r} takes {', '.join(sorted(kind.takes & INPUTS))}",
                found=", ".join(sorted(unsuited)) or "no stage before it that loads an image",
                fix="Write 'input: records'."
                if kind.takes & INPUTS == {Good.RECORDS}
                else "Change 'form' under 'accepts', or the stages before it.",
            )


def _check_requests(pipeline: Pipeline, settings: SettingsFile) -> None:
    """Check that a stage answers each request before it is made again or the pipeline ends."""
    kinds = [stage_class(spec.reference) for spec in pipeline.stages]
    for index, kind in enumerate(kinds):
        for request in kind.gives & REQUESTS:
            if not _is_answered(request, kinds[index + 1 :]):
                raise SettingsError(
                    Code.E_SETTINGS,
                    f"{settings.place(('stages', index, 'use'))}: the stage {kind.name!r} gives {request}",
                    found="no stage after it that predicts them",
                    fix="Put a model stage such as segment after it, or leave it out.",
                )


def _is_answered(request: Good, later: Sequence[type[Stage]]) -> bool:
    """Whether a stage answers a request before another makes it again."""
    for kind in later:
        if request in kind.answers:
            return True
        if request in kind.gives:
            return False
    return False


def pipeline_text(pipeline: Pipeline) -> str:
    """Return the resolved pipeline as YAML."""
    data = pipeline.resolved()
    for stage in data["stages"]:
        for derived in DERIVED_KEYS:
            stage.pop(derived, None)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
