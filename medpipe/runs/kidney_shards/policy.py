"""When a stay alerts: horizon, threshold and how often, out of a package and what a person chose."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.metrics.alert_policy import AlertPolicy, simulate_policy
from medpipe.metrics.risk_steps import risk_steps
from medpipe.zoo.manifest import KidneyManifest

USUAL_HORIZON_H: Final = 48.0
"""Of alerts where a package states none but has it; its longest otherwise (Tomašev et al. 2019)."""


@dataclass(frozen=True)
class AlertChoice:
    """What alerts are of.

    Attributes:
        column: Number of the horizon among those of the package.
        horizon_h: Hours ahead.
        policy: Threshold, refractory hours and limit a day.
    """

    column: int
    horizon_h: float
    policy: AlertPolicy

    def alerts_of(self, end_h: Array, probs: Array) -> npt.NDArray[np.int64]:
        """Return ``(A,)`` numbers of the steps of a stay that alert.

        Args:
            end_h: ``(T,)`` ends of steps, ascending; T may be 0.
            probs: ``(T, H)`` risks.
        """
        if not len(end_h):
            return np.zeros(0, dtype=np.int64)
        one_patient, not_known = np.zeros(len(end_h), dtype=np.int64), np.full(len(end_h), np.nan)
        steps = risk_steps(one_patient, end_h, probs[:, self.column], not_known, horizon_h=self.horizon_h)
        return np.flatnonzero(simulate_policy(steps, self.policy))


def choose_alerts(
    manifest: KidneyManifest,
    *,
    horizon_h: float | None,
    threshold: float | None,
    refractory_h: float,
    max_per_day: int | None,
) -> AlertChoice:
    """Return what alerts are of.

    Args:
        manifest: Of the package.
        horizon_h: One of its horizons; None for its own of alerts, else 48 h, or its longest.
        threshold: Least risk; None for that of the package.
        refractory_h: Hours after an alert without another.
        max_per_day: Most alerts within 24 hours; None for no limit.

    Raises:
        SettingsError: The package has no such horizon, or no threshold for it and none is given.
    """
    horizons = manifest.horizons_h
    if fractions := [hours for hours in horizons if hours != int(hours)]:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The package {manifest.name!r} cannot be used on records: horizons are whole hours",
            found=f"{fractions[0]:g} h",
        )
    wanted = horizon_h or manifest.alert_horizon_h or _usual(horizons)
    if wanted not in horizons:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The package {manifest.name!r} does not look {wanted:g} h ahead",
            found=", ".join(f"{hours:g}" for hours in horizons),
            fix="Choose one of these.",
        )
    column = horizons.index(wanted)
    least = threshold if threshold is not None else manifest.thresholds[column]
    if least is None:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The package {manifest.name!r} has no threshold for {wanted:g} h",
            found=f"none reaches a precision of {manifest.target_precision:g}",
            fix="Give one with --threshold, or choose another horizon.",
        )
    return AlertChoice(column, wanted, AlertPolicy(least, refractory_h, max_per_day))


def _usual(horizons: tuple[float, ...]) -> float:
    return USUAL_HORIZON_H if USUAL_HORIZON_H in horizons else horizons[-1]
