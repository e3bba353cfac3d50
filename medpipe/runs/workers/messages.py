"""What the pool and its workers tell each other."""

from dataclasses import dataclass
from pathlib import Path

from medpipe.io.study_folder import Provenance
from medpipe.runs.pipeline import Pipeline
from medpipe.runs.workers.outcome import Outcome


@dataclass(frozen=True)
class ProcessorSettings:
    """What a processor needs besides its units.

    Attributes:
        pipeline: The checked pipeline.
        studies: Folder of finished study folders.
        work: Folder of unfinished ones, on the same file system.
        device: ``"cpu"`` or ``"cuda:N"``.
        seed: Seed of the run.
        durable: Whether finished folders survive a power cut.
        checkpoint_after_s: A reusable stage that took longer leaves its result for a resume.
        provenance: Name of the pipeline and versions, without stages.
    """

    pipeline: Pipeline
    studies: Path
    work: Path
    device: str
    seed: int
    provenance: Provenance
    durable: bool = False
    checkpoint_after_s: float = 2.0


@dataclass(frozen=True)
class Ready:
    """The worker has imported its libraries and loaded its models."""


@dataclass(frozen=True)
class StepBegan:
    """A step of a unit has begun."""

    unit_id: str


@dataclass(frozen=True)
class StepEnded:
    """A step of a unit has ended; another may follow."""

    unit_id: str


@dataclass(frozen=True)
class UnitEnded:
    """A unit has come to its end."""

    unit_id: str
    outcome: Outcome
