"""The state of each unit of a run: one small file a unit, replaced atomically."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medpipe.core.codes import Code
from medpipe.io.atomic import write_bytes


class State(StrEnum):
    """Where a unit stands; the units of a run are the sum over all states, always."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FLAGGED = "flagged"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether no more work is planned."""
        return self not in (State.PENDING, State.RUNNING)


class Reason(BaseModel):
    """Why a unit was flagged, refused or failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    message: str


class Quantity(BaseModel):
    """A measured value that the cohort page compares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float
    unit: str


class LabelState(BaseModel):
    """A label that the cohort page counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    probability: float
    threshold: float


class UnitState(BaseModel):
    """Content of ``state/<id>.json``; clock times, host and attempts live here and nowhere else.

    Attributes:
        id: Unit id.
        label: First relative path, for people.
        state: Where it stands.
        reasons: Flags of a flagged unit, or why it was refused or failed.
        stage: Stage at which it was refused or failed.
        attempts: How often it was begun.
        fingerprint: Of the input files when it was processed.
        key: Of the pipeline and the seed that its result follows from.
        started: UTC, ISO 8601.
        seconds: Time spent in its stages.
        host: Machine that worked on it.
        device: Device that worked on it.
        modality: Modality of its first image.
        form: ``"volume"``, ``"slices"`` or ``"planar"``, of its first image.
        num_images: Images in its roles.
        values: Measured values for the cohort page.
        labels: Labels for the cohort page, no name twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    label: str = ""
    state: State = State.PENDING
    reasons: tuple[Reason, ...] = ()
    stage: str = ""
    attempts: int = 0
    fingerprint: str = ""
    key: str = ""
    started: str = ""
    seconds: float = 0.0
    host: str = ""
    device: str = ""
    modality: str = ""
    form: str = ""
    num_images: int = 0
    values: tuple[Quantity, ...] = Field(default=())
    labels: tuple[LabelState, ...] = ()


class StateStore:
    """The ``state/`` folder of a run."""

    _SUFFIX: Final = ".json"

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = durable

    def path(self, unit_id: str) -> Path:
        """Return the file of one unit."""
        return self._folder / f"{unit_id}{self._SUFFIX}"

    def read(self, unit_id: str) -> UnitState | None:
        """Return the state of a unit; None where none was written or a power cut left no valid file."""
        try:
            return UnitState.model_validate_json(self.path(unit_id).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, state: UnitState) -> None:
        """Replace the state of a unit atomically."""
        write_bytes(self.path(state.id), state.model_dump_json().encode(), durable=self._durable)

    def entries(self) -> Iterator[tuple[str, str]]:
        """Yield the id of every unit on disk, and a stamp that is another one after each write."""
        with os.scandir(self._folder) as found:
            for entry in found:
                if not entry.name.endswith(self._SUFFIX) or entry.name.startswith("."):
                    continue
                with suppress(FileNotFoundError):  # removed by a retry at this moment
                    status = entry.stat()
                    # Two writes may fall into one tick of the file system's clock, but not into one inode.
                    stamp = f"{status.st_mtime_ns} {status.st_ino} {status.st_size}"
                    yield entry.name.removesuffix(self._SUFFIX), stamp

    def all(self) -> dict[str, UnitState]:
        """Return every state by unit id."""
        states = ((unit_id, self.read(unit_id)) for unit_id, _ in self.entries())
        return {unit_id: state for unit_id, state in states if state is not None}


def count_states(states: Iterable[UnitState]) -> dict[State, int]:
    """Count units by state, in the order of :class:`State`; the counts add up to the units."""
    counted = Counter(state.state for state in states)
    return {state: counted[state] for state in State}
