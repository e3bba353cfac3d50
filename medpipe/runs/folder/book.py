"""The book of a run: state files, kept while units begin and end."""

import socket
from collections.abc import Callable

from medpipe.runs.folder.lease import Leases, now_iso
from medpipe.runs.folder.state import State, StateStore, UnitState
from medpipe.runs.unit import Unit
from medpipe.runs.workers.outcome import Outcome

Progress = Callable[[str, int, int], None]
"""Called with a phase (``"index"`` or ``"run"``), how many are done and how many there are."""


class StateBook:
    """Keeps the state files while units begin and end."""

    def __init__(
        self, states: StateStore, leases: Leases, *, results_key: str, progress: Progress | None
    ) -> None:
        self._states = states
        self._key = results_key
        self._leases = leases
        self._host = socket.gethostname()
        self._progress = progress
        self._total = 0
        self._done = 0

    def is_current(self, unit: Unit) -> bool:
        """Whether a unit is finished, by this pipeline, from the same files."""
        state = self._states.read(unit.id)
        return (
            state is not None
            and state.state.is_final
            and state.key == self._key
            and state.fingerprint == unit.fingerprint
        )

    def expect(self, total: int) -> None:
        """Say how many units this process will try."""
        self._total = total
        self._report()

    def begin(self, unit: Unit, attempt: int, device: str) -> bool:
        """Take a unit's lease and note that it runs; False where somebody else has it."""
        if not self._leases.acquire(unit.id):
            return False
        if self.is_current(unit):
            self._leases.release(unit.id)
            return False
        self._states.write(self._state(unit, attempt, device))
        return True

    def end(self, unit: Unit, attempt: int, device: str, outcome: Outcome) -> None:
        """Note how a unit ended and give its lease back."""
        fields = ("state", "reasons", "stage", "modality", "form", "num_images", "values", "labels")
        changes = {name: getattr(outcome, name) for name in fields}
        changes["seconds"] = round(outcome.seconds, 3)
        state = self._state(unit, attempt, device).model_copy(update=changes)
        self._states.write(state)
        self._leases.release(unit.id)
        self._done += 1
        self._report()

    def _state(self, unit: Unit, attempt: int, device: str) -> UnitState:
        return UnitState(
            id=unit.id,
            label=unit.label,
            state=State.RUNNING,
            attempts=attempt,
            fingerprint=unit.fingerprint,
            key=self._key,
            started=now_iso(),
            host=self._host,
            device=device,
        )

    def _report(self) -> None:
        if self._progress is not None:
            self._progress("run", self._done, self._total)
