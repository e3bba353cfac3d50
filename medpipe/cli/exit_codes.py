"""Exit codes: what the shell is told."""

from collections.abc import Mapping
from enum import IntEnum

from medpipe.core.errors import MachineError, MedpipeError, NoInputError, RefusedError, StageError
from medpipe.runs.folder.state import State


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    """All studies are done or flagged."""
    USAGE = 2
    """An option, a settings file or a pipeline file is wrong."""
    NO_INPUT = 3
    """No readable study was found."""
    SOME = 4
    """Some studies were refused or failed."""
    ALL_FAILED = 5
    """Every study failed."""
    MACHINE = 6
    """Disk, device or a missing package."""
    INTERRUPTED = 130
    """Interrupted; the same command goes on."""


def exit_of_counts(counts: Mapping[State, int], *, allow_refused: bool = False) -> Exit:
    """Return the exit code of a run by the states of its units."""
    total = sum(counts.values())
    if not total:
        return Exit.NO_INPUT
    if counts[State.FAILED] == total:
        return Exit.ALL_FAILED
    if counts[State.FAILED] or (counts[State.REFUSED] and not allow_refused):
        return Exit.SOME
    return Exit.OK


def exit_of_error(error: MedpipeError) -> Exit:
    """Return the exit code of an error that ends a command."""
    if isinstance(error, NoInputError):
        return Exit.NO_INPUT
    if isinstance(error, MachineError):
        return Exit.MACHINE
    if isinstance(error, RefusedError | StageError):
        return Exit.SOME
    return Exit.USAGE
