"""Faulty inputs by name, each with what must become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code

Writer = Callable[[Path, str], None]
"""Writes files into a folder that exists; the text seeds every identifier."""


class Outcome(StrEnum):
    """What becomes of an input."""

    DONE = "done"
    FLAGGED = "flagged"
    REFUSED = "refused"
    SKIPPED = "skipped"
    """No image: counted apart, no study."""


@dataclass(frozen=True)
class Expected:
    """An outcome and its code; the code is None for ``DONE`` and ``SKIPPED``."""

    outcome: Outcome
    code: Code | None = None


@dataclass(frozen=True)
class Fault:
    """One way in which input can be wrong, or look wrong and be right.

    Attributes:
        name: Such as ``"slice_missing"``.
        title: One clause for people.
        expected: What becomes of it where a volume is asked for (of a radiograph, where one is).
        as_slices: The same where a stage takes slices; equal to ``expected`` unless said otherwise.
        num_images: Images in it, readable or not.
        write: Writes it.
    """

    name: str
    title: str
    expected: Expected
    as_slices: Expected
    num_images: int
    write: Writer


FAULTS: Final[dict[str, Fault]] = {}
"""Every fault by name, filled as the modules beside this one are imported; read it from ``catalogue``."""


def done(*, num_images: int = 1) -> Callable[[Writer], Writer]:
    """Register an input that is read without a flag."""
    return _registering(Expected(Outcome.DONE), num_images=num_images)


def flagged(code: Code) -> Callable[[Writer], Writer]:
    """Register an input that is read with a flag."""
    return _registering(Expected(Outcome.FLAGGED, code))


def refused(code: Code, *, slices_flag: Code | None = None) -> Callable[[Writer], Writer]:
    """Register an input that is refused; with ``slices_flag``, slices are still read and flagged."""
    as_slices = Expected(Outcome.FLAGGED, slices_flag) if slices_flag else None
    return _registering(Expected(Outcome.REFUSED, code), as_slices=as_slices)


def skipped() -> Callable[[Writer], Writer]:
    """Register an input that holds no image."""
    return _registering(Expected(Outcome.SKIPPED), num_images=0)


def _registering(
    expected: Expected, *, as_slices: Expected | None = None, num_images: int = 1
) -> Callable[[Writer], Writer]:
    """Return a decorator that takes a fault's name and title from the writer's name and docstring."""

    def register(write: Writer) -> Writer:
        title = (write.__doc__ or "").partition("\n")[0].rstrip(".")
        fault = Fault(write.__name__, title, expected, as_slices or expected, num_images, write)
        FAULTS[fault.name] = fault
        return write

    return register
