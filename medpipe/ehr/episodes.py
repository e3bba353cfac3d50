"""Episodes of kidney injury: when one begins, how bad it gets, when it is over."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.ehr.series import TIME_SLACK_H, Series
from medpipe.ehr.windows import Indices

RESOLVED_AFTER_H: Final = 48.0
"""Hours without injury after which an episode counts as over: sustained reversal in the words of ADQI 16
(Chawla et al. 2017, Nat Rev Nephrol 13:241)."""


@dataclass(frozen=True)
class Episode:
    """One episode of kidney injury.

    Attributes:
        onset_h: First measurement at the stage asked for.
        end_h: First measurement below it of those that close the episode, or the end of the record.
        peak_stage: Greatest stage measured, 1 to 3.
        peak_h: When first.
        is_resolved: Whether it ended before the record did.
    """

    onset_h: float
    end_h: float
    peak_stage: int
    peak_h: float
    is_resolved: bool


def find_episodes(
    stages: Series,
    *,
    record_end_h: float,
    min_stage: int = 1,
    resolved_after_h: float = RESOLVED_AFTER_H,
) -> list[Episode]:
    """Return the episodes of a record in the order of time.

    An episode is over once a stage below ``min_stage`` was measured and for ``resolved_after_h`` from then on
    none at or above it; a shorter pause belongs to the episode. That it is over is known only at the end of
    those hours.

    Args:
        stages: ``(N,)`` 0 to 3; NaN, which tells nothing, is passed over.
        record_end_h: After which nothing is known.
        min_stage: 1, 2 or 3.
        resolved_after_h: Hours, above zero.

    Raises:
        ShapeError: See :func:`check_stages`, or the hours are not above zero.
    """
    check_stages(stages, min_stage, record_end_h)
    if not resolved_after_h > TIME_SLACK_H:
        raise ShapeError("An episode is over after hours above zero", found=f"{resolved_after_h:g} h")
    known = ~np.isnan(stages.values)
    time_h, stage = stages.time_h[known], stages.values[known]
    ill = np.flatnonzero(stage >= min_stage)
    if not len(ill):
        return []
    breaks = np.flatnonzero(_is_over(time_h, ill[:-1], time_h[ill[1:]], resolved_after_h)) + 1
    first, last = np.append(0, breaks), np.append(breaks, len(ill)) - 1
    following = np.append(time_h[ill[first[1:]]], record_end_h)
    over = _is_over(time_h, ill[last], following, resolved_after_h)
    return [
        _episode(time_h, stage, int(begin), int(end), record_end_h, bool(is_over))
        for begin, end, is_over in zip(ill[first], ill[last], over, strict=True)
    ]


def check_stages(stages: Series, min_stage: int, record_end_h: float) -> None:
    """Refuse what are no stages of a record that ends at this time.

    Raises:
        ShapeError: A stage is not 0, 1, 2, 3 or NaN, the least one is not 1, 2 or 3, the end is not finite,
            or a stage lies after it.
    """
    wrong = ~(np.isnan(stages.values) | (stages.values == np.clip(np.rint(stages.values), 0, 3)))
    if wrong.any():
        raise ShapeError("Stages are 0, 1, 2, 3 or NaN", found=f"{stages.values[wrong][0]:g}")
    if min_stage not in (1, 2, 3):
        raise ShapeError("The least stage of an episode is 1, 2 or 3", found=f"{min_stage}")
    if not np.isfinite(record_end_h):
        raise ShapeError("The end of the record is finite", found=f"{record_end_h:g} h")
    if len(stages) and stages.time_h[-1] > record_end_h + TIME_SLACK_H:
        raise ShapeError(
            "Nothing is measured after the end of the record",
            found=f"a stage at {stages.time_h[-1]:g} h, the end at {record_end_h:g} h",
            fix="Leave out what lies beyond, or move the end.",
        )


def _is_over(
    time_h: Array, last_ill: Indices, until_h: Array, resolved_after_h: float
) -> npt.NDArray[np.bool_]:
    """Return whether the pause after each last measurement of injury lasts long enough, until a time."""
    healthy_h = np.append(time_h, np.inf)[last_ill + 1]
    return np.asarray(until_h - healthy_h >= resolved_after_h - TIME_SLACK_H)


def _episode(
    time_h: Array, stage: Array, begin: int, end: int, record_end_h: float, is_resolved: bool
) -> Episode:
    peak = begin + int(np.argmax(stage[begin : end + 1]))
    return Episode(
        onset_h=float(time_h[begin]),
        end_h=float(time_h[end + 1]) if is_resolved else record_end_h,
        peak_stage=int(stage[peak]),
        peak_h=float(time_h[peak]),
        is_resolved=is_resolved,
    )
