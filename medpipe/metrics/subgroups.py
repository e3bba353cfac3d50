"""Figures of subgroups of patients at one threshold, and silence about those that are too small.

Shapes: ``N`` steps, ``P`` patients, ``R`` resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.alerts import operating_point
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.discrimination import discrimination
from medpipe.metrics.estimates import Draws, Estimate
from medpipe.metrics.risk_calibration import risk_calibration
from medpipe.metrics.risk_steps import RiskSteps, risk_steps

MIN_POSITIVE_PATIENTS: Final = 10
"""Groups with fewer patients who have a positive step get no figures."""

AGE_EDGES: Final = (18.0, 40.0, 60.0, 75.0)
UNKNOWN: Final = "unknown"

_AS_GIVEN: Final = Draws()


@dataclass(frozen=True)
class GroupFigures:
    """Figures of a group at a threshold that all groups share.

    Attributes:
        roc_auc: Over steps.
        sensitivity: Positive steps that alert.
        precision: Alerts that are true, of those whose truth is known.
        episode_sensitivity: Episodes that are found.
        in_the_large: Mean predicted risk minus the share that was positive.
    """

    roc_auc: Estimate
    sensitivity: Estimate
    precision: Estimate
    episode_sensitivity: Estimate
    in_the_large: Estimate


@dataclass(frozen=True)
class Subgroup:
    """A group of patients.

    Attributes:
        name: Value that its patients share, such as ``"F"`` or ``"60 to 74"``.
        num_patients: Patients with a step whose truth is known.
        num_steps: Such steps.
        num_positive_patients: Patients with a positive step.
        figures: None where they are too few.
    """

    name: str
    num_patients: int
    num_steps: int
    num_positive_patients: int
    figures: GroupFigures | None


def subgroup_figures(
    steps: RiskSteps,
    groups: npt.ArrayLike,
    *,
    threshold: float,
    min_positive_patients: int = MIN_POSITIVE_PATIENTS,
    draws: Draws = _AS_GIVEN,
) -> tuple[Subgroup, ...]:
    """Return the figures of each group that has steps whose truth is known, by name; the young come first.

    Args:
        steps: Of one horizon.
        groups: ``(P,)`` the group of each patient, as text.
        threshold: Of an alert, for all groups.
        min_positive_patients: Least number of patients with a positive step that figures are given for.
        draws: How patients are drawn for the intervals.

    Raises:
        ShapeError: Groups are not of these patients, or the threshold is not a number.
    """
    names = np.asarray(groups, dtype=object)
    if names.shape != (steps.num_patients,):
        raise ShapeError(
            "Each patient is of one group", found=f"{names.shape}, {steps.num_patients} patients"
        )
    known = steps.patients[~np.isnan(steps.truth)]
    present = sorted({str(name) for name in names[np.unique(known)]}, key=_place)
    return tuple(
        _subgroup(
            steps,
            name,
            np.array([str(item) == name for item in names]),
            threshold,
            min_positive_patients,
            draws,
        )
        for name in present
    )


def age_bands(years: Sequence[float] | Values, edges: Sequence[float] = AGE_EDGES) -> list[str]:
    """Return the band of each age, such as ``"40 to 59"``; ``"unknown"`` for NaN.

    Args:
        years: Ages.
        edges: Whole years at which bands begin, ascending.
    """
    starts = [f"{low:.0f} to {high - 1:.0f}" for low, high in pairwise(edges)]
    names = [f"under {edges[0]:.0f}", *starts, f"{edges[-1]:.0f} and over"]
    ages = np.asarray(years, dtype=float)
    place = np.searchsorted(edges, ages, side="right")
    return [UNKNOWN if np.isnan(age) else names[number] for age, number in zip(ages, place, strict=True)]


def _place(name: str) -> tuple[bool, bool, str]:
    return name == UNKNOWN, not name.startswith("under "), name


def _subgroup(
    steps: RiskSteps,
    name: str,
    belongs: npt.NDArray[np.bool_],
    threshold: float,
    min_positive_patients: int,
    draws: Draws,
) -> Subgroup:
    own = belongs[steps.patients]
    known = own & ~np.isnan(steps.truth)
    num_positive = len(np.unique(steps.patients[own & (steps.truth == 1)]))
    is_enough = num_positive >= max(1, min_positive_patients)
    return Subgroup(
        name,
        len(np.unique(steps.patients[known])),
        int(known.sum()),
        num_positive,
        _figures(_part(steps, belongs), threshold, draws) if is_enough else None,
    )


def _part(steps: RiskSteps, belongs: npt.NDArray[np.bool_]) -> RiskSteps:
    """Return the steps of some patients, numbered anew."""
    number = np.cumsum(belongs) - 1
    own, own_onsets = belongs[steps.patients], belongs[steps.onset_patients]
    return risk_steps(
        number[steps.patients[own]],
        steps.time_h[own],
        steps.probs[own],
        steps.truth[own],
        horizon_h=steps.horizon_h,
        onset_patients=number[steps.onset_patients[own_onsets]],
        onset_h=steps.onset_h[own_onsets],
    )


def _figures(part: RiskSteps, threshold: float, draws: Draws) -> GroupFigures:
    point = operating_point(part, threshold, draws=draws)
    return GroupFigures(
        discrimination(part.probs, part.truth, part.patients, draws=draws).roc_auc,
        point.step_sensitivity,
        point.precision,
        point.episode_sensitivity,
        risk_calibration(part.probs, part.truth, part.patients, draws=draws).in_the_large,
    )
