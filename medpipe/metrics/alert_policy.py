"""Alert policies: what a ward would get of a threshold, a refractory time and a limit a day.

Shapes: ``N`` steps, ``P`` patients, ``D`` the limit a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.core.errors import ShapeError
from medpipe.metrics.alerts import LEAD_SHARES, alerts_at, quantiles
from medpipe.metrics.risk_steps import SLACK_H, Flags, RiskSteps

DAY_H = 24.0


@dataclass(frozen=True)
class AlertPolicy:
    """When a step whose risk is high enough alerts.

    Attributes:
        threshold: Least probability.
        refractory_h: Hours after an alert in which its patient has no other; 0 for none.
        max_per_day: Most alerts of a patient within any 24 hours; None for no limit.

    Raises:
        ShapeError: The threshold is not in [0, 1], hours are below zero, or the limit is below 1.
    """

    threshold: float
    refractory_h: float = 0.0
    max_per_day: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ShapeError("The threshold of a policy lies between 0 and 1", found=f"{self.threshold:g}")
        if not 0 <= self.refractory_h < np.inf:
            raise ShapeError("Refractory hours are zero or more", found=f"{self.refractory_h:g}")
        if self.max_per_day is not None and self.max_per_day < 1:
            raise ShapeError("A limit is at least one alert a day", found=f"{self.max_per_day}")


@dataclass(frozen=True)
class PolicyOutcome:
    """What a policy gives.

    Attributes:
        policy: As asked for.
        num_alerts: True, false and unknown ones.
        num_true: Whose truth is 1.
        num_false: Whose truth is 0.
        per_patient_day: Alerts a day at risk; NaN where the length of a step is not known.
        num_found: Episodes with an alert within the horizon before the onset.
        num_episodes: All episodes.
        leads_h: ``LEAD_SHARES`` quantiles of the hours from the first such alert to the onset.
    """

    policy: AlertPolicy
    num_alerts: int
    num_true: int
    num_false: int
    per_patient_day: float
    num_found: int
    num_episodes: int
    leads_h: tuple[float, ...]

    @property
    def found_share(self) -> float:
        """Share of the episodes that is found; NaN without episodes."""
        return self.num_found / self.num_episodes if self.num_episodes else np.nan

    @property
    def false_per_true(self) -> float:
        """False alerts a true one; NaN without true ones."""
        return self.num_false / self.num_true if self.num_true else np.nan

    @property
    def median_lead_h(self) -> float:
        """Median hours from the first alert to the onset; NaN where no episode is found."""
        return self.leads_h[LEAD_SHARES.index(0.5)]


def simulate_policy(steps: RiskSteps, policy: AlertPolicy) -> Flags:
    """Return ``(N,)`` which steps alert under a policy.

    A step alerts as soon as the policy lets it; alerts that the policy holds back do not count towards it.

    Args:
        steps: Of one horizon.
        policy: What is allowed.
    """
    candidates = np.flatnonzero(alerts_at(steps, policy.threshold))
    given = np.zeros(len(steps.probs), dtype=bool)
    if policy.refractory_h == 0 and policy.max_per_day is None:
        given[candidates] = True
        return given
    keys = steps.keys(steps.patients[candidates], steps.time_h[candidates])
    # The first candidate of each patient; then, round by round, the next one that each patient may have.
    active, place = np.unique(steps.patients[candidates], return_index=True)
    num_kept = policy.max_per_day or 1
    recent_h = np.full((steps.num_patients, num_kept), -np.inf)
    number = 0
    while len(active):
        at = candidates[place]
        given[at] = True
        recent_h[active, number % num_kept] = steps.time_h[at]
        number += 1
        allowed_h = steps.time_h[at] + policy.refractory_h
        if policy.max_per_day is not None:
            # After as many alerts as a day may hold, the oldest of them must lie a day back.
            allowed_h = np.maximum(allowed_h, recent_h[active, number % num_kept] + DAY_H)
        following = np.searchsorted(keys, steps.keys(active, allowed_h - SLACK_H))
        place = np.maximum(following, place + 1)
        stays = place < len(keys)
        active, place = active[stays], place[stays]
        own = steps.patients[candidates[place]] == active
        active, place = active[own], place[own]
    return given


def policy_outcome(steps: RiskSteps, policy: AlertPolicy) -> PolicyOutcome:
    """Return what a policy gives.

    Args:
        steps: Of one horizon.
        policy: What is allowed.
    """
    alerts = simulate_policy(steps, policy)
    leads = steps.leads_h(alerts)
    num_alerts, days = int(alerts.sum()), steps.patient_days
    return PolicyOutcome(
        policy,
        num_alerts,
        int((alerts & (steps.truth == 1)).sum()),
        int((alerts & (steps.truth == 0)).sum()),
        num_alerts / days if days > 0 else np.nan,
        int((~np.isnan(leads)).sum()),
        len(leads),
        quantiles(leads),
    )


def sweep_thresholds(
    steps: RiskSteps, thresholds: Sequence[float], *, refractory_h: float, max_per_day: int | None
) -> tuple[PolicyOutcome, ...]:
    """Return what policies give that differ in their threshold alone, in the order of the thresholds."""
    return tuple(
        policy_outcome(steps, AlertPolicy(threshold, refractory_h, max_per_day)) for threshold in thresholds
    )
