"""One compartment against its closed form, and what follows or wanders."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.affine import Array
from medpipe.simulate.ward.kinetics import lagged, one_compartment, wander

HOURS = 200


def creatinine(clearance_l_h: float, *, start: float = 80.0) -> Array:
    """480 umol are made in each hour, in 48 L of water: with 6 L/h the balance is 80 umol/L."""
    hours = np.ones(HOURS)
    return one_compartment(
        start, generation_per_h=480.0 * hours, clearance_l_h=clearance_l_h * hours, volume_l=48.0
    )


def test_what_is_in_balance_stays() -> None:
    np.testing.assert_allclose(creatinine(6.0), 80.0)


def test_half_the_clearance_doubles_the_concentration_by_an_exponential() -> None:
    # Towards 480 / 3 = 160 with the time constant 48 / 3 = 16 h: after 16 h 160 - 80 / e.
    values = creatinine(3.0)
    assert values[0] == 80.0
    assert values[16] == pytest.approx(160.0 - 80.0 / math.e)
    assert values[-1] == pytest.approx(160.0, abs=0.01)


def test_without_clearance_all_that_is_made_stays() -> None:
    # 480 umol in 48 L: 10 umol/L an hour.
    np.testing.assert_allclose(creatinine(0.0), 80.0 + 10.0 * np.arange(HOURS))


def test_a_day_after_nine_tenths_are_lost_creatinine_has_risen_far_below_its_balance() -> None:
    # The balance would be 800; after 24 h at 0.6 L/h: 800 - 720 exp(-24 / 80) = 266.6.
    assert creatinine(0.6)[24] == pytest.approx(800.0 - 720.0 * math.exp(-0.3))


@given(st.floats(0.05, 20.0), st.floats(1.0, 600.0))
def test_it_follows_the_closed_form_from_any_start(clearance: float, start: float) -> None:
    balance = 480.0 / clearance
    expected = balance + (start - balance) * np.exp(-clearance / 48.0 * np.arange(HOURS))
    np.testing.assert_allclose(creatinine(clearance, start=start), expected, rtol=1e-9)


def test_what_lags_begins_at_its_target_and_covers_63_per_cent_in_its_time_constant() -> None:
    target = np.concatenate([[1.0], np.full(50, 2.0)])
    followed = lagged(target, 10.0)
    assert followed[0] == pytest.approx(1.0)
    assert followed[10] == pytest.approx(2.0 - math.exp(-1.0))


def test_what_wanders_has_variance_one_from_the_first_hour_and_forgets() -> None:
    rows = wander(np.random.default_rng(0), 20_000, 21, 10.0)
    np.testing.assert_allclose(rows.var(axis=0), 1.0, atol=0.05)
    # The correlation over ten hours is 1 / e.
    assert (rows[:, 0] * rows[:, 10]).mean() == pytest.approx(math.exp(-1.0), abs=0.04)
