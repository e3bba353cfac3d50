"""The pool: worker processes on one machine, with time limits and a cure for crashes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError
from medpipe.runs.folder.state import Reason, State
from medpipe.runs.unit import Unit
from medpipe.runs.workers.messages import ProcessorSettings, Ready, StepBegan, StepEnded, UnitEnded
from medpipe.runs.workers.outcome import Outcome, stop_at_machine_fault
from medpipe.runs.workers.process import Inside, WorkerProcess, start_worker

UNITS_INSIDE: Final = 3
"""Units inside a worker: one read, one computed, one written. Bounds its memory."""

_TICK_S: Final = 0.5


@dataclass(frozen=True)
class PoolSettings:
    """How a pool works.

    Attributes:
        devices: One worker each.
        threads: Threads that libraries may use inside a worker.
        logs: Folder of the workers' logs.
        time_limit_s: Longest time that the steps of a unit may take; None for no limit.
        max_attempts: How often a unit is begun before it counts as failed.
    """

    devices: Sequence[str]
    threads: int
    logs: Path
    time_limit_s: float | None
    max_attempts: int


Begun = Callable[[Unit, int, str], bool]
Ended = Callable[[Unit, int, str, Outcome], None]


class WorkerPool:
    """Hands units to worker processes and reports how each ended.

    A worker that dies takes several units with it. Those whose steps were running are tried again
    alone, so that a unit that kills its worker is found out and the others are not blamed.

    Args:
        settings: How the pool works.
        processing: What the workers need; ``device`` is set for each.
        on_begin: Called with unit, attempt and device; False leaves the unit to another process.
        on_end: Called with unit, attempt, device and outcome, once a unit.
    """

    def __init__(
        self, settings: PoolSettings, processing: ProcessorSettings, *, on_begin: Begun, on_end: Ended
    ) -> None:
        self._settings = settings
        self._processing = processing
        self._on_begin = on_begin
        self._on_end = on_end
        self._waiting: deque[Unit] = deque()
        self._alone: deque[Unit] = deque()
        self._attempts: dict[str, int] = {}
        self._workers: list[WorkerProcess] = []

    def run(self, units: Iterable[Unit]) -> None:
        """Work through the units.

        Raises:
            MachineError: A worker cannot start, or no study can be written any more.
        """
        self._waiting.extend(units)
        try:
            for number in range(min(len(self._settings.devices), len(self._waiting))):
                self._workers.append(self._start(number))
            while self._waiting or self._alone or any(worker.inside for worker in self._workers):
                self._hand_out()
                self._listen()
                self._stop_overdue()
        finally:
            self._close()

    def _start(self, number: int) -> WorkerProcess:
        return start_worker(
            replace(self._processing, device=self._settings.devices[number]),
            number=number,
            threads=self._settings.threads,
            log=self._settings.logs / f"worker-{os.getpid()}-{number}.log",
        )

    def _hand_out(self) -> None:
        for worker in self._workers:
            while worker.is_ready and (inside := self._next_for(worker)) is not None:
                unit = inside.unit
                attempt = self._attempts.get(unit.id, 0) + 1
                if not self._on_begin(unit, attempt, worker.device):
                    continue
                self._attempts[unit.id] = attempt
                worker.inside[unit.id] = inside
                worker.send(unit)

    def _next_for(self, worker: WorkerProcess) -> Inside | None:
        if any(inside.is_alone for inside in worker.inside.values()):
            return None
        if self._alone:
            return None if worker.inside else Inside(self._alone.popleft(), is_alone=True)
        if self._waiting and len(worker.inside) < UNITS_INSIDE:
            return Inside(self._waiting.popleft())
        return None

    def _listen(self) -> None:
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), timeout=_TICK_S):
            worker = by_connection[connection]  # type: ignore[index]
            while (message := worker.receive()) is not None:
                self._take(worker, message)
            if worker.is_gone:
                self._bury(worker)

    def _take(self, worker: WorkerProcess, message: object) -> None:
        if isinstance(message, Ready):
            worker.is_ready = True
        elif isinstance(message, StepBegan):
            worker.inside[message.unit_id].began()
        elif isinstance(message, StepEnded):
            worker.inside[message.unit_id].ended()
        elif isinstance(message, UnitEnded):
            self._end(worker, worker.inside.pop(message.unit_id).unit, message.outcome)

    def _end(self, worker: WorkerProcess, unit: Unit, outcome: Outcome) -> None:
        stop_at_machine_fault(outcome)
        attempt = self._attempts[unit.id]
        may_retry = outcome.state is State.FAILED and outcome.reasons[0].code is not Code.E_TIMEOUT
        if may_retry and attempt < self._settings.max_attempts:
            self._alone.append(unit)
        else:
            self._on_end(unit, attempt, worker.device, outcome)

    def _bury(self, worker: WorkerProcess) -> None:
        """Find out whom a dead worker took along; start another."""
        status = worker.end()
        if not worker.is_ready:
            raise MachineError(
                Code.E_DEVICE,
                "A worker process cannot start",
                found=worker.last_words() or f"exit status {status}",
                fix="Run 'medpipe doctor'.",
            )
        # Where no step ran, the cause may be any unit: none could be read, or the machine is short of memory.
        is_working = any(inside.running for inside in worker.inside.values())
        suspects = [inside.unit for inside in worker.inside.values() if inside.running or not is_working]
        innocent = [inside.unit for inside in worker.inside.values() if inside.unit not in suspects]
        worker.inside.clear()
        for unit in innocent:
            self._attempts[unit.id] -= 1
            self._waiting.appendleft(unit)
        if len(suspects) == 1:
            self._end(worker, suspects[0], _crashed(status))
        else:
            for unit in suspects:
                self._attempts[unit.id] -= 1
                self._alone.append(unit)
        self._replace(worker)

    def _stop_overdue(self) -> None:
        limit_s = self._settings.time_limit_s
        if limit_s is None:
            return
        for worker in list(self._workers):
            overdue = [inside for inside in worker.inside.values() if inside.seconds > limit_s]
            if not overdue:
                continue
            worker.end(kill=True)
            others = [inside.unit for inside in worker.inside.values() if inside not in overdue]
            worker.inside.clear()
            for unit in others:
                self._attempts[unit.id] -= 1
                self._waiting.appendleft(unit)
            for inside in overdue:
                self._end(worker, inside.unit, _timed_out(inside.seconds, limit_s))
            self._replace(worker)

    def _replace(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        if self._waiting or self._alone:
            self._workers.append(self._start(worker.number))

    def _close(self) -> None:
        for worker in self._workers:
            is_idle = worker.is_ready and not worker.inside
            if is_idle:
                worker.send(None)
            worker.end(kill=not is_idle)
        self._workers.clear()


def _crashed(status: int) -> Outcome:
    found = f"signal {-status}" if status < 0 else f"exit status {status}"
    reason = Reason(
        code=Code.E_CRASH,
        message=f"The worker process died while it held the study: found {found}. "
        "See the run's logs folder; 'medpipe retry' tries again.",
    )
    return Outcome(State.FAILED, (reason,), stage="worker")


def _timed_out(seconds: float, limit_s: float) -> Outcome:
    reason = Reason(
        code=Code.E_TIMEOUT,
        message=f"The study took longer than its time limit: found {seconds:.0f} s, limit {limit_s:g} s. "
        "Raise it with --time-limit, then use 'medpipe retry'.",
    )
    return Outcome(State.FAILED, (reason,), stage="worker", seconds=seconds)
