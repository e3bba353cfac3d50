"""How a unit ended: its final state, from the case it became or the error it met."""

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, MedpipeError, RefusedError, StageError
from medpipe.core.findings import Finding, Label, Measurement, QualityFlag
from medpipe.runs.folder.state import LabelState, Quantity, Reason, State

_MAX_COHORT_VALUES: Final = 8
"""Measurements a unit hands to the cohort page; its own page shows all."""

_MAX_COHORT_LABELS: Final = 16
"""Likewise labels."""

_FORMS: Final = {"Volume": "volume", "SliceStack": "slices", "Planar": "planar"}
"""By name: this module is read by processes that do without torch."""

_DISK_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EROFS, errno.EDQUOT})
"""With these no other study can be written either."""


@dataclass(frozen=True)
class Outcome:
    """How a unit ended.

    Attributes:
        state: Final state.
        reasons: Flags, or why it was refused or failed.
        stage: Stage at which it was refused or failed.
        machine_fault: Whether the whole run must stop (disk full).
        seconds: Time in its stages and in writing.
        modality: Of its first image.
        form: ``"volume"``, ``"slices"`` or ``"planar"``, of its first image.
        num_images: Images in its roles.
        values: Measured values for the cohort page.
        labels: Labels for the cohort page, no name twice.
    """

    state: State
    reasons: tuple[Reason, ...] = ()
    stage: str = ""
    machine_fault: bool = False
    seconds: float = 0.0
    modality: str = ""
    form: str = ""
    num_images: int = 0
    values: tuple[Quantity, ...] = ()
    labels: tuple[LabelState, ...] = ()


def finished(case: Case) -> Outcome:
    """Return the outcome of a case that went through all stages."""
    measured = [item for item in case.findings if isinstance(item, Measurement)]
    makers = list(dict.fromkeys(item.made_by for item in measured))
    # What a later stage measured rests on what an earlier one did, so it comes first.
    measured.sort(key=lambda item: -makers.index(item.made_by))
    values = [Quantity(name=item.name, value=item.value, unit=item.unit) for item in measured]
    first = next(iter(case.images.values()), None)
    return Outcome(
        state=State.FLAGGED if case.flags else State.DONE,
        reasons=tuple(Reason(code=item.flag, message=_flag_text(item)) for item in case.flags),
        modality=first.modality if first else "",
        form=_FORMS.get(type(first).__name__, ""),
        num_images=len(case.images),
        values=tuple(values[:_MAX_COHORT_VALUES]),
        labels=_labels(case.findings),
    )


def _labels(findings: Iterable[Finding]) -> tuple[LabelState, ...]:
    """Return the labels by name; of several images the one that is highest above its threshold."""
    highest: dict[str, Label] = {}
    for item in findings:
        if isinstance(item, Label):
            known = highest.setdefault(item.code.meaning, item)
            if item.probability - item.threshold > known.probability - known.threshold:
                highest[item.code.meaning] = item
    return tuple(
        LabelState(name=name, probability=item.probability, threshold=item.threshold)
        for name, item in list(highest.items())[:_MAX_COHORT_LABELS]
    )


def outcome_of_error(error: Exception, stage: str) -> Outcome:
    """Return the outcome of an error: refused when the data is at fault, else failed."""
    known = _as_medpipe_error(error, stage)
    return Outcome(
        state=State.REFUSED if isinstance(known, RefusedError) else State.FAILED,
        reasons=(Reason(code=known.code, message=str(known)),),
        stage=stage,
        machine_fault=known.code is Code.E_DISK,
    )


def stop_at_machine_fault(outcome: Outcome) -> None:
    """End the run where no other study could be written either.

    Raises:
        MachineError: The outcome is the machine's fault; its unit stays unfinished.
    """
    if outcome.machine_fault:
        raise MachineError(
            Code.E_DISK,
            "The run stopped because study folders cannot be written",
            found=outcome.reasons[0].message,
            fix="Free space, then give the same command again: it goes on where it stopped.",
        )


def _as_medpipe_error(error: Exception, stage: str) -> MedpipeError:
    if isinstance(error, MedpipeError):
        return error
    if isinstance(error, MemoryError):
        return StageError(Code.E_MEMORY, "There was not enough memory", fix="Use fewer workers.")
    if isinstance(error, OSError):
        code = Code.E_DISK if error.errno in _DISK_ERRNOS else Code.E_UNREADABLE
        # The text of an OSError holds a path, which may hold a name: only its reason is passed on.
        return StageError(code, "The operating system refused", found=error.strerror or type(error).__name__)
    return StageError(
        Code.E_STAGE,
        f"The stage {stage!r} raised an unexpected error",
        found=type(error).__name__,
        fix="See the run's logs folder, and please report it.",
    )


def _flag_text(item: QualityFlag) -> str:
    return f"{item.message} ({item.found})" if item.found else item.message
