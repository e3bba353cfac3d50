"""A worker process: reads the next unit, computes this one and writes the last one at the same time.

Started by the pool as ``python -m medpipe.runs.workers.worker FD``; talks over one inherited socket. It ends
when the pool closes the socket, so that no worker outlives a killed run.
"""

import faulthandler
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

from medpipe.runs.unit import Unit
from medpipe.runs.workers.messages import ProcessorSettings, Ready, StepBegan, StepEnded, UnitEnded
from medpipe.runs.workers.processor import InFlight, Processor

logger = logging.getLogger(__name__)

_NO_MORE: Final = None


class Worker:
    """Three threads around one processor; the pool bounds how many units are inside."""

    def __init__(self, connection: "Connection[Any, Any]", processor: Processor) -> None:
        self._connection = connection
        self._processor = processor
        self._sending = threading.Lock()
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._loaded: queue.SimpleQueue[InFlight | None] = queue.SimpleQueue()
        self._computed: queue.SimpleQueue[InFlight | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Work until the pool says that no more units come."""
        threads = [
            threading.Thread(target=self._receive, daemon=True),
            threading.Thread(target=self._read),
            threading.Thread(target=self._publish),
        ]
        for thread in threads:
            thread.start()
        self._send(Ready())
        while (work := self._loaded.get()) is not _NO_MORE:
            self._step(work.unit, lambda work=work: self._processor.compute(work))  # type: ignore[misc]
            self._computed.put(work)
        self._computed.put(_NO_MORE)
        for thread in threads[1:]:
            thread.join()

    def _receive(self) -> None:
        while True:
            try:
                unit = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # the run is gone; nothing here may go on writing
            self._units.put(unit)

    def _read(self) -> None:
        while (unit := self._units.get()) is not _NO_MORE:
            self._loaded.put(self._step(unit, lambda unit=unit: self._processor.read(unit)))  # type: ignore[misc]
        self._loaded.put(_NO_MORE)

    def _publish(self) -> None:
        while (work := self._computed.get()) is not _NO_MORE:
            outcome = self._step(work.unit, lambda work=work: self._processor.publish(work))  # type: ignore[misc]
            self._send(UnitEnded(work.unit.id, outcome))

    def _step(self, unit: Unit, action: Callable[[], Any]) -> Any:
        self._send(StepBegan(unit.id))
        try:
            result = action()
        except BaseException:
            # Faults of the unit are outcomes. A library that calls sys.exit would end this thread alone, and
            # the pool would wait for the others for ever.
            logger.exception("the worker ends")
            os._exit(1)
        self._send(StepEnded(unit.id))
        return result

    def _send(self, message: object) -> None:
        with self._sending:
            self._connection.send(message)


def main(descriptor: int) -> None:
    """Serve the pool at the other end of an inherited socket."""
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    connection: Connection[Any, Any] = Connection(descriptor)
    settings: ProcessorSettings = connection.recv()
    processor = Processor(settings)
    processor.open()
    Worker(connection, processor).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
