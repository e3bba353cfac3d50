"""The errors medpipe raises: what is wrong, what was found, what to do."""

from medpipe.core.codes import Code


class MedpipeError(Exception):
    """Base of every error that medpipe raises on purpose.

    Attributes:
        code: Stable code, see :class:`medpipe.core.codes.Code`.
        what: What is wrong, one clause without a full stop.
        found: What was found instead, with its value; may be empty.
        fix: What the reader can do; may be empty.
    """

    def __init__(self, code: Code, what: str, *, found: str = "", fix: str = "") -> None:
        self.code = code
        self.what = what
        self.found = found
        self.fix = fix
        super().__init__(code, what, found, fix)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes with all three parts."""
        return _rebuild, (type(self), self.code, self.what, self.found, self.fix)

    def __str__(self) -> str:
        message = self.what
        if self.found:
            message += f": found {self.found}"
        message += "."
        if self.fix:
            message += f" {self.fix}"
        return message


def _rebuild(cls: type[MedpipeError], code: Code, what: str, found: str, fix: str) -> MedpipeError:
    return cls(code, what, found=found, fix=fix)


class RefusedError(MedpipeError, ValueError):
    """The data of one study is at fault: the study is refused, others go on."""


class StageError(MedpipeError, RuntimeError):
    """Work on one study failed for a reason that a retry may cure."""


class SettingsError(MedpipeError, ValueError):
    """An option, a settings file or a pipeline file is wrong (exit code 2)."""


class NoInputError(MedpipeError, FileNotFoundError):
    """Nothing readable was found (exit code 3)."""


class MachineError(MedpipeError, OSError):
    """The machine is at fault: disk, device or a missing package (exit code 6)."""


class ShapeError(MedpipeError, ValueError):
    """An array passed to a public function has the wrong shape or values."""

    def __init__(self, what: str, *, found: str = "", fix: str = "") -> None:
        super().__init__(Code.E_SETTINGS, what, found=found, fix=fix)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes with all three parts."""
        return _rebuild_shape, (self.what, self.found, self.fix)


def _rebuild_shape(what: str, found: str, fix: str) -> ShapeError:
    return ShapeError(what, found=found, fix=fix)
