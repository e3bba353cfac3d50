"""KDIGO stages of a creatinine without noise, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.affine import Array
from medpipe.simulate.ward.true_stages import true_stages


def stages(creatinine: Array) -> Array:
    return true_stages(creatinine, np.zeros(len(creatinine)))


@pytest.mark.parametrize(
    ("low", "high", "stage"),
    [
        (80.0, 106.4, 0),  # 26.4 more, 1.33 times
        (80.0, 106.5, 1),  # 26.5 more
        (40.0, 59.9, 0),
        (40.0, 60.0, 1),  # 1.5 times, though only 20 more
        (80.0, 160.0, 2),
        (80.0, 240.0, 3),
        (330.0, 353.5, 0),
        (330.0, 353.7, 0),  # above 353.6, but no rise of stage 1
        (330.0, 356.5, 3),
    ],
)
def test_a_step_has_the_stage_of_its_rise(low: float, high: float, stage: int) -> None:
    found = stages(np.concatenate([np.full(30, low), np.full(10, high)]))
    assert (found[:30] == 0).all()
    assert (found[30:] == stage).all()


def test_a_rise_slower_than_48_hours_counts_as_a_ratio_only() -> None:
    slow = np.linspace(100.0, 140.0, 97)  # 20 in any 48 h
    assert (stages(slow) == 0).all()


def test_the_baseline_is_forgotten_after_a_week() -> None:
    found = stages(np.concatenate([np.full(24, 80.0), np.full(200, 130.0)]))
    # The last 80 is at hour 23: up to hour 23 + 168 it is the least of the week.
    assert (found[24 : 23 + 168 + 1] == 1).all()
    assert (found[23 + 168 + 1 :] == 0).all()


def test_a_fall_is_no_injury() -> None:
    assert (stages(np.linspace(300.0, 80.0, 100)) == 0).all()


def test_dialysis_is_stage_3_until_a_week_after() -> None:
    dialysis = np.zeros(300)
    dialysis[10:14] = 1.0
    found = true_stages(np.full(300, 100.0), dialysis)
    assert (found[:10] == 0).all()
    assert (found[10 : 13 + 168 + 1] == 3).all()
    assert (found[13 + 168 + 1 :] == 0).all()


@given(st.lists(st.floats(30, 600), min_size=1, max_size=260))
def test_stages_agree_with_windows_looked_through_one_by_one(values: list[float]) -> None:
    creatinine = np.array(values)
    for hour, found in enumerate(stages(creatinine)):
        now = creatinine[hour]
        ratio = now / creatinine[max(hour - 168, 0) : hour + 1].min()
        rises = ratio >= 1.5 or now - creatinine[max(hour - 48, 0) : hour + 1].min() >= 26.5
        severe = rises and now >= 353.6
        assert found == (3 if ratio >= 3 or severe else 2 if ratio >= 2 else 1 if rises else 0)
