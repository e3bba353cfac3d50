"""Alerts of a stay, and the choice of what they are of."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medpipe.core.errors import SettingsError
from medpipe.metrics.alert_policy import AlertPolicy
from medpipe.runs.kidney_shards.policy import AlertChoice, choose_alerts

END_H = np.arange(6.0, 78.0, 6.0)


def manifest(**changes: Any) -> Any:
    facts = {"horizons_h": (24.0, 48.0, 72.0), "thresholds": (0.2, 0.3, None), "name": "toy"}
    return SimpleNamespace(**{**facts, "target_precision": 0.33, "alert_horizon_h": None, **changes})


def choose(**changes: Any) -> AlertChoice:
    facts = {"horizon_h": None, "threshold": None, "refractory_h": 24.0, "max_per_day": None}
    return choose_alerts(changes.pop("of", manifest()), **{**facts, **changes})


def test_usual_horizon_and_the_packages_threshold() -> None:
    choice = choose()
    assert (choice.column, choice.horizon_h, choice.policy) == (1, 48.0, AlertPolicy(0.3, 24.0))


def test_horizon_that_the_package_alerts_of() -> None:
    assert choose(of=manifest(alert_horizon_h=24.0)).horizon_h == 24.0
    assert choose(of=manifest(alert_horizon_h=24.0), horizon_h=48.0).horizon_h == 48.0


def test_longest_horizon_where_there_is_no_48_h() -> None:
    assert choose(of=manifest(horizons_h=(6.0,), thresholds=(0.4,))).horizon_h == 6.0


def test_horizon_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="12 h ahead: found 24, 48, 72"):
        choose(horizon_h=12.0)


def test_threshold_is_asked_for_where_the_package_has_none() -> None:
    with pytest.raises(SettingsError, match="no threshold for 72 h"):
        choose(horizon_h=72.0)
    assert choose(horizon_h=72.0, threshold=0.6).policy.threshold == 0.6


def test_first_step_at_the_threshold_alerts_and_holds_the_next_back() -> None:
    probs = np.full((12, 3), 0.9)
    probs[:3, 1] = 0.299  # steps that end at 6, 12 and 18 h
    probs[3, 1] = 0.3
    # The first at 24 h; the next one may come 24 h later, at 48 h, then at 72 h.
    assert END_H[choose().alerts_of(END_H, probs)].tolist() == [24.0, 48.0, 72.0]


def test_limit_a_day() -> None:
    choice = AlertChoice(0, 24.0, AlertPolicy(0.5, 0.0, 2))
    # Two within 24 h: 6 and 12 h, then 30 h, when that of 6 h lies a day back.
    assert END_H[choice.alerts_of(END_H, np.ones((12, 1)))].tolist() == [6.0, 12.0, 30.0, 36.0, 54.0, 60.0]


def test_stay_without_steps_has_no_alert() -> None:
    assert len(choose().alerts_of(np.zeros(0), np.zeros((0, 3)))) == 0
