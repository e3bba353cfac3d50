"""The processor: takes one unit through all stages and publishes its study folder."""

import hashlib
import logging
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, StageError
from medpipe.core.findings import Maker
from medpipe.core.source import flags_of_notes
from medpipe.io.atomic import publish_folder
from medpipe.io.content_hash import sha256_of
from medpipe.io.study_folder import Gift, StageRecord, StudyFolder
from medpipe.io.study_writer import write_study
from medpipe.runs.folder.state import State
from medpipe.runs.pipeline import StageSpec
from medpipe.runs.stage import UNSAVED, Resource, Stage, StageContext
from medpipe.runs.unit import Unit, scratch_name
from medpipe.runs.workers.messages import ProcessorSettings
from medpipe.runs.workers.outcome import Outcome, finished, outcome_of_error
from medpipe.runs.workers.reuse import reuse_stage

logger = logging.getLogger(__name__)

_Name = TypeVar("_Name")

_RUNNER: Final = Maker(name="runner", version="1")


@dataclass
class InFlight:
    """A unit on its way: mutable, owned by one thread at a time."""

    unit: Unit
    context: StageContext
    case: Case
    position: int = 0
    key: str = ""
    records: list[StageRecord] = field(default_factory=list)
    seconds: float = 0.0
    outcome: Outcome | None = None


class Processor:
    """Runs units through a pipeline in three steps that may overlap: read, compute, publish."""

    def __init__(self, settings: ProcessorSettings) -> None:
        self._settings = settings
        self._stages: list[Stage] = [spec.make() for spec in settings.pipeline.stages]
        kinds = [stage.resource is Resource.IO for stage in self._stages]
        self._num_reading = kinds.index(False) if False in kinds else len(kinds)

    def open(self) -> None:
        """Import libraries and load models."""
        for stage in self._stages:
            stage.open(self._settings.device)

    def process(self, unit: Unit) -> Outcome:
        """Take one unit through all steps in this thread."""
        work = self.read(unit)
        self.compute(work)
        return self.publish(work)

    def read(self, unit: Unit) -> InFlight:
        """Run the stages that read files; errors end up in the outcome."""
        seed = int.from_bytes(hashlib.sha256(f"{self._settings.seed}/{unit.id}".encode()).digest()[:4])
        scratch = self._settings.work / scratch_name(unit.id)
        context = StageContext(self._settings.device, seed, scratch, unit)
        case = Case(unit.id, flags=flags_of_notes(unit.notes, source="", maker=_RUNNER))
        work = InFlight(unit, context, case)
        with _faults_noted(work, "index"):
            scratch.mkdir(parents=True)
            self._withdraw(unit)
            if unit.refusal is not None:
                work.outcome = outcome_of_error(unit.refusal, "index")
        self._run_stages(work, self._num_reading)
        return work

    def compute(self, work: InFlight) -> None:
        """Run the remaining stages; errors end up in the outcome."""
        self._run_stages(work, len(self._stages))

    def publish(self, work: InFlight) -> Outcome:
        """Write the study folder beside, check it, move it into place; return how the unit ended."""
        if work.outcome is None:
            with _faults_noted(work, "publish"):
                self._write_study(work)
                work.outcome = finished(work.case)
        shutil.rmtree(work.context.scratch, ignore_errors=True)
        assert work.outcome is not None
        if work.outcome.state is not State.FAILED:
            shutil.rmtree(self._checkpoint(work.unit), ignore_errors=True)
        return replace(work.outcome, seconds=work.seconds)

    def _run_stages(self, work: InFlight, end: int) -> None:
        while work.outcome is None and work.position < end:
            spec = self._settings.pipeline.stages[work.position]
            with _faults_noted(work, spec.name):
                self._run_stage(work, self._stages[work.position], spec)
                work.position += 1

    def _run_stage(self, work: InFlight, stage: Stage, spec: StageSpec) -> None:
        started = time.monotonic()
        before = work.case
        if stage.resource is Resource.IO:
            # What was read is known only afterwards: keys rest on content, not on names and times.
            work.case = stage(work.case, work.context)
            work.key = spec.key(work.key or _content_key(work))
        else:
            work.key = spec.key(work.key or _content_key(work))
            work.case = self._reused(stage, work) or stage(work.case, work.context)
        work.records.append(
            StageRecord(
                stage=spec.name,
                version=spec.version,
                key=work.key,
                params=spec.params.model_dump(mode="json"),
                assets=dict(spec.assets),
                gave=_gift(before, work.case),
            )
        )
        is_slow = time.monotonic() - started > self._settings.checkpoint_after_s
        if is_slow and stage.resource is not Resource.IO:
            self._write_checkpoint(work)

    def _reused(self, stage: Stage, work: InFlight) -> Case | None:
        """Return the case with what the stage gave in an earlier attempt; None where it has to run."""
        if not UNSAVED.isdisjoint(stage.gives):
            return None
        return reuse_stage(self._checkpoint(work.unit), work.key, work.case)

    def _checkpoint(self, unit: Unit) -> Path:
        return self._settings.work / unit.id

    def _withdraw(self, unit: Unit) -> None:
        """Take the study folder of an earlier run back: the study may end without one this time."""
        published = self._settings.studies / unit.id
        if published.is_dir():
            publish_folder(published, self._checkpoint(unit))

    def _write_checkpoint(self, work: InFlight) -> None:
        """Leave what the stages gave so far where a resume finds it."""
        staged = self._write_beside(work, "checkpoint")
        publish_folder(staged, self._checkpoint(work.unit), durable=self._settings.durable)

    def _write_study(self, work: InFlight) -> None:
        staged = self._write_beside(work, "study")
        for stage in self._stages:
            stage.document(work.case, staged, work.context)
        _check(staged, work.case)
        publish_folder(staged, self._settings.studies / work.unit.id, durable=self._settings.durable)

    def _write_beside(self, work: InFlight, name: str) -> Path:
        staged = work.context.scratch / name
        staged.mkdir()
        provenance = self._settings.provenance.model_copy(update={"stages": tuple(work.records)})
        write_study(staged, work.case, provenance)
        return staged


@contextmanager
def _faults_noted(work: InFlight, stage: str) -> Iterator[None]:
    """Turn any fault of one unit into its outcome, so that the others go on."""
    started = time.monotonic()
    try:
        yield
    except Exception as error:
        if not isinstance(error, RefusedError):
            # The text of a foreign error may quote a header; where it arose is enough to find its cause.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logger.error("unit %s, stage %s: %s\n%s", work.unit.id, stage, type(error).__name__, trace)
        work.outcome = outcome_of_error(error, stage)
    finally:
        work.seconds += time.monotonic() - started


def _content_key(work: InFlight) -> str:
    """Hash what the stages are given: seed, images as they were read, files of a record shard."""
    images = sorted(work.case.images.items())
    parts = [
        work.unit.id,
        str(work.context.seed),
        *(f"{role}:{type(image).__name__}:{image.modality}:{image.source.sha256}" for role, image in images),
        sha256_of(work.unit.files),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _gift(before: Case, after: Case) -> Gift:
    """Name what a stage added."""

    def new(old: Mapping[_Name, object], now: Mapping[_Name, object]) -> tuple[_Name, ...]:
        return tuple(name for name in now if name not in old)

    return Gift(
        findings=tuple(item.id for item in after.findings[len(before.findings) :]),
        flags=tuple(item.id for item in after.flags[len(before.flags) :]),
        figures=tuple(figure.name for figure in after.figures[len(before.figures) :]),
        masks=new(before.masks, after.masks),
        tables=new(before.tables, after.tables),
        texts=new(before.texts, after.texts),
        cards=new(before.cards, after.cards),
    )


def _check(folder: Path, case: Case) -> None:
    """Read the written folder back before it is published."""
    study = StudyFolder(folder)
    if study.findings != case.record() or set(study.source.images) != set(case.images):
        raise StageError(Code.E_STAGE, "The written study folder does not hold what was to be written")
