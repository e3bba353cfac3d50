"""What a threshold on risks gives: episodes found, lead times, true and false alerts, where these fall.

Shapes: ``N`` steps, ``P`` patients, ``E`` episodes, ``R`` resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.discrimination import precision_curve, threshold_at_precision
from medpipe.metrics.estimates import Draws, Estimate, estimate, share_of, sums_by_patient
from medpipe.metrics.risk_steps import SLACK_H, Flags, RiskSteps

PRECISIONS: Final = (0.20, 0.25, 0.33, 0.50, 0.75)
"""Step precisions of the operating points in extended table 4 of Tomašev et al. 2019."""

LEAD_SHARES: Final = (0.10, 0.25, 0.50, 0.75, 0.90)

NEAR_H: Final = 24.0
"""A false alert at most so far from a true one is called near."""

_AS_GIVEN: Final = Draws()


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold gives.

    Attributes:
        threshold: A step alerts where its probability reaches it.
        num_true: Alerts whose truth is 1.
        num_false: Alerts whose truth is 0.
        num_unknown: Alerts whose truth is not known.
        num_episodes: Episodes, those included that begin before any step.
        num_reachable: Of them, those with a step that may alert within the horizon before.
        precision: True alerts of those whose truth is known.
        step_sensitivity: Positive steps that alert.
        step_specificity: Negative steps that do not.
        episode_sensitivity: Episodes with an alert within the horizon before the onset.
        leads_h: ``LEAD_SHARES`` quantiles of the hours from an episode's first alert to its onset; NaN
            where no episode is found.
    """

    threshold: float
    num_true: int
    num_false: int
    num_unknown: int
    num_episodes: int
    num_reachable: int
    precision: Estimate
    step_sensitivity: Estimate
    step_specificity: Estimate
    episode_sensitivity: Estimate
    leads_h: tuple[float, ...]

    @property
    def false_per_true(self) -> float:
        """False alerts a true one; NaN without true ones."""
        return self.num_false / self.num_true if self.num_true else np.nan


@dataclass(frozen=True)
class FalseAlerts:
    """Where false alerts fall; each is counted once, by the onset that it lies closest to.

    Attributes:
        early_near: A true alert's window begins at most ``NEAR_H`` later.
        early_far: It begins later than that.
        late_near: An onset lies at most ``NEAR_H`` before.
        late_far: It lies longer before.
        never: The patient has no episode.
        early_h: Quantiles at ``LEAD_SHARES`` of the hours by which the early ones come too soon.
        late_h: Of the hours since the onset of the late ones.
    """

    early_near: int
    early_far: int
    late_near: int
    late_far: int
    never: int
    early_h: tuple[float, ...]
    late_h: tuple[float, ...]

    @property
    def total(self) -> int:
        """All false alerts."""
        return self.early_near + self.early_far + self.late_near + self.late_far + self.never


def alerts_at(steps: RiskSteps, threshold: float) -> Flags:
    """Return ``(N,)`` which steps alert: probability at the threshold or above, injury not yet known.

    Raises:
        ShapeError: The threshold is not a number.
    """
    if np.isnan(threshold):
        raise ShapeError("An alert needs a threshold", found="NaN")
    return np.asarray((steps.probs >= threshold) & steps.may_alert)


def operating_point(steps: RiskSteps, threshold: float, *, draws: Draws = _AS_GIVEN) -> OperatingPoint:
    """Return what a threshold gives, with intervals over patients of which the threshold is no part.

    Args:
        steps: Of one horizon.
        threshold: Of an alert.
        draws: How patients are drawn for the intervals.

    Raises:
        ShapeError: The threshold is not a number.
    """
    alerts = alerts_at(steps, threshold)
    positive, negative = steps.truth == 1, steps.truth == 0
    leads = steps.leads_h(alerts)
    columns = np.stack((alerts & positive, alerts & negative, positive, negative), axis=1)
    by_step = sums_by_patient(steps.patients, columns, steps.num_patients)
    ones = np.ones(len(leads), dtype=bool)
    by_episode = sums_by_patient(
        steps.onset_patients, np.stack((~np.isnan(leads), ones), axis=1), steps.num_patients
    )

    def statistic(counts: Values) -> Values:
        true, false, ill, well = (counts @ by_step).T
        found, episodes = (counts @ by_episode).T
        return np.stack(
            (
                share_of(true, true + false),
                share_of(true, ill),
                share_of(well - false, well),
                share_of(found, episodes),
            ),
            axis=1,
        )

    precision, sensitivity, specificity, episodes_found = estimate(steps.num_patients, statistic, draws)
    return OperatingPoint(
        threshold,
        int((alerts & positive).sum()),
        int((alerts & negative).sum()),
        int((alerts & np.isnan(steps.truth)).sum()),
        len(leads),
        int((~np.isnan(steps.leads_h(steps.may_alert))).sum()),
        precision,
        sensitivity,
        specificity,
        episodes_found,
        quantiles(leads),
    )


def thresholds_at_precisions(
    probs: npt.ArrayLike, truth: npt.ArrayLike, precisions: Sequence[float] = PRECISIONS
) -> tuple[float, ...]:
    """Return the lowest threshold at each step precision; NaN where no threshold has it.

    Chosen on the data that they are then judged on, they flatter a little: give those of other data where
    there are any.

    Args:
        probs: ``(N,)`` in [0, 1].
        truth: ``(N,)`` 1, 0 or NaN, which is left out.
        precisions: Above 0, at most 1.

    Raises:
        ShapeError: No step is positive, or as :func:`threshold_at_precision`.
    """
    curve = precision_curve(probs, truth)
    return tuple(threshold_at_precision(curve, precision) for precision in precisions)


def false_alerts(steps: RiskSteps, alerts: Flags) -> FalseAlerts:
    """Return where the alerts whose truth is 0 fall.

    Args:
        steps: Of one horizon.
        alerts: ``(N,)`` which steps alert.
    """
    false = alerts & (steps.truth == 0)
    early_h = (steps.next_onset_h - steps.horizon_h - steps.time_h)[false]
    late_h = (steps.time_h - steps.last_onset_h)[false]
    has_none = np.isinf(early_h) & np.isinf(late_h)
    is_early = ~has_none & (early_h <= late_h)
    is_late = ~has_none & ~is_early
    near_early, near_late = early_h <= NEAR_H + SLACK_H, late_h <= NEAR_H + SLACK_H
    return FalseAlerts(
        int((is_early & near_early).sum()),
        int((is_early & ~near_early).sum()),
        int((is_late & near_late).sum()),
        int((is_late & ~near_late).sum()),
        int(has_none.sum()),
        quantiles(early_h[is_early]),
        quantiles(late_h[is_late]),
    )


def quantiles(hours: Values, shares: Sequence[float] = LEAD_SHARES) -> tuple[float, ...]:
    """Return quantiles of the hours that are known; NaN where none is."""
    known = hours[~np.isnan(hours)]
    if not len(known):
        return (np.nan,) * len(shares)
    return tuple(float(value) for value in np.quantile(known, shares))
