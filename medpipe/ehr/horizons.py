"""What happens within hours of a moment: labels of kidney injury, and maxima of labs.

What is measured at a moment is known at it. Labels and maxima at t look at (t, t + horizon] and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.ehr.episodes import RESOLVED_AFTER_H, check_stages, find_episodes
from medpipe.ehr.intervals import end_at, merge_intervals
from medpipe.ehr.series import TIME_SLACK_H, Series
from medpipe.ehr.windows import first_after, maxima_between

HORIZONS_H: Final = (6.0, 12.0, 18.0, 24.0, 36.0, 48.0, 60.0, 72.0)
"""Of Tomašev et al. 2019."""


class LabelMode(StrEnum):
    """What counts as an event."""

    ONSET = "onset"
    """An episode begins; no label while one is under way."""

    ANY = "any"
    """The stage is measured, whether or not it was present before."""


@dataclass(frozen=True, eq=False)
class HorizonLabels:
    """Labels at each step and horizon.

    Attributes:
        labels: ``(T, H)`` 1, 0 or NaN where the outcome is not known.
        horizons_h: ``(H,)`` ascending.
        observable_share: ``(H,)`` the share of steps whose label is known; NaN without steps.
    """

    labels: Array
    horizons_h: Array
    observable_share: Array


def horizon_labels(
    step_h: npt.ArrayLike,
    stages: Series,
    *,
    record_end_h: float,
    min_stage: int,
    mode: LabelMode,
    censored_h: npt.ArrayLike = (),
    resolved_after_h: float = RESOLVED_AFTER_H,
    horizons_h: Sequence[float] = HORIZONS_H,
) -> HorizonLabels:
    """Label each step by whether kidney injury of a stage comes within each horizon.

    The label is 1 where it comes in (t, t + h], and 0 where the record runs to t + h without it. It is NaN
    where the record ends or a censored interval begins before either, at steps in a censored interval, where
    a stage that nobody could tell stands between, and, for onsets, while an episode is under way: from its
    onset until ``resolved_after_h`` after its end, when it is known to be over. A horizon in which nothing
    was measured has 0: no injury was found. Known labels do not fall as the horizon grows, and no measurement
    after t + h changes one at t.

    Args:
        step_h: ``(T,)`` moments at which a forecast is made.
        stages: ``(N,)`` 0 to 3, or NaN where nobody can tell.
        record_end_h: End of the stay.
        min_stage: The least stage that counts.
        mode: What counts.
        censored_h: ``(M, 2)`` intervals. What happens at the start of one is seen still (a first dialysis is
            stage 3), what happens inside is not; a step at the start is left out.
        resolved_after_h: See :func:`medpipe.ehr.episodes.find_episodes`.
        horizons_h: ``(H,)`` hours, ascending, above zero.

    Raises:
        ShapeError: An argument is not of that form, or a stage was measured after the end of the record.
    """
    steps, horizons = _steps(step_h), _horizons(horizons_h)
    check_stages(stages, min_stage, record_end_h)
    censored = merge_intervals(censored_h, [(record_end_h, np.inf)])
    seen = _outside(stages, censored)
    event_h, is_masked = _events(seen, steps, record_end_h, min_stage, mode, resolved_after_h)
    is_masked |= _inside(steps, censored)
    next_h = first_after(event_h, steps)[:, None]
    unknown_h = first_after(seen.time_h[np.isnan(seen.values)], steps)[:, None]
    cut_h = first_after(censored[:, 0], steps)[:, None]
    until_h = steps[:, None] + horizons
    comes = (next_h <= until_h + TIME_SLACK_H) & (next_h <= cut_h + TIME_SLACK_H)
    observed = (until_h <= cut_h + TIME_SLACK_H) & (unknown_h > until_h + TIME_SLACK_H)
    labels = np.where(comes, 1.0, np.where(observed, 0.0, np.nan))
    labels[is_masked] = np.nan
    return HorizonLabels(labels, horizons, _share(labels))


def horizon_maxima(
    step_h: npt.ArrayLike,
    labs: Sequence[Series],
    *,
    record_end_h: float,
    keep_cut: bool,
    horizons_h: Sequence[float] = HORIZONS_H,
) -> Array:
    """Return ``(T, H, L)`` the maximum of each lab in (t, t + h]; NaN where it was not measured.

    Args:
        step_h: ``(T,)`` moments.
        labs: L series, each in the unit of its lab.
        record_end_h: End of the stay; what was measured later is left out.
        keep_cut: Whether a horizon that the record does not reach has the maximum of what was measured, which
            may be less than what would have been, or NaN.
        horizons_h: ``(H,)`` hours, ascending, above zero.

    Raises:
        ShapeError: Steps or horizons are not of that form.
    """
    steps, horizons = _steps(step_h), _horizons(horizons_h)
    until_h = steps[:, None] + horizons
    is_cut = until_h > record_end_h + TIME_SLACK_H
    last_h = np.minimum(until_h, record_end_h)
    # After the end a window would run backwards: it is empty.
    maxima = maxima_between(labs, np.minimum(steps[:, None], last_h), last_h)
    if not keep_cut:
        maxima[is_cut] = np.nan
    return maxima


def _events(
    seen: Series, steps: Array, record_end_h: float, min_stage: int, mode: LabelMode, resolved_after_h: float
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the times ``(E,)`` of what counts, ascending, and which steps it leaves out."""
    if mode == LabelMode.ANY:
        return seen.time_h[seen.values >= min_stage], np.zeros(len(steps), dtype=bool)
    episodes = find_episodes(
        seen, record_end_h=record_end_h, min_stage=min_stage, resolved_after_h=resolved_after_h
    )
    under_way = [
        (each.onset_h, each.end_h + resolved_after_h if each.is_resolved else np.inf) for each in episodes
    ]
    return np.array([each.onset_h for each in episodes]), _inside(steps, merge_intervals(under_way))


def _outside(stages: Series, censored: Array) -> Series:
    """Return the stages that do not lie between start and end of a censored interval."""
    # A moment earlier an interval that starts here has not started yet: its start is seen.
    outside = stages.time_h >= end_at(stages.time_h - 2 * TIME_SLACK_H, censored) - TIME_SLACK_H
    return Series(stages.time_h[outside], stages.values[outside])


def _inside(steps: Array, intervals: Array) -> npt.NDArray[np.bool_]:
    """Return which steps lie in half-open intervals that are in order and apart."""
    return np.asarray(steps < end_at(steps, intervals) - TIME_SLACK_H)


def _share(labels: Array) -> Array:
    if not len(labels):
        return np.full(labels.shape[1], np.nan)
    return np.asarray((~np.isnan(labels)).mean(axis=0))


def _steps(step_h: npt.ArrayLike) -> Array:
    steps = np.asarray(step_h, dtype=np.float64)
    if steps.ndim != 1 or not np.isfinite(steps).all():
        raise ShapeError("Steps are (T,) finite hours", found=f"shape {steps.shape}")
    return steps


def _horizons(horizons_h: Sequence[float]) -> Array:
    horizons = np.asarray(horizons_h, dtype=np.float64)
    if horizons.ndim != 1 or not (np.diff(horizons, prepend=0.0) > 0).all():
        raise ShapeError("Horizons ascend and are above zero", found=f"{list(horizons_h)}")
    return horizons
