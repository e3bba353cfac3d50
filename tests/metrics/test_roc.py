"""ROC curves: their corners, their area, and the band around them."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.metrics.classification import ROC_AUC, sensitivity
from medpipe.metrics.roc import banded_roc_curve, roc_curve


def simulated(num_cases: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = (rng.random(num_cases) < 0.3).astype(float)
    return np.round(rng.normal(truth, 1), 1), truth


def test_a_tie_is_a_slope() -> None:
    curve = roc_curve([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    # Calling 0.8, then both at 0.4, then 0.1.
    assert curve.false_positive_rates.tolist() == [0, 0, 0.5, 1]
    assert curve.sensitivities.tolist() == [0, 0.5, 1, 1]
    assert curve.area == 3.5 / 4
    assert curve.band is None


def test_area_is_the_auc() -> None:
    scores, truth = simulated(300)
    assert roc_curve(scores, truth).area == pytest.approx(ROC_AUC.value(scores, truth))


def test_band_holds_the_curve_and_widens_with_fewer_cases() -> None:
    widths = []
    for num_cases in (100, 800):
        scores, truth = simulated(num_cases)
        curve = banded_roc_curve(scores, truth, num_resamples=500)
        assert curve.band is not None
        at = np.interp(curve.band.false_positive_rates, curve.false_positive_rates, curve.sensitivities)
        inner = slice(10, 90)
        assert (curve.band.low <= at)[inner].all()
        assert (at <= curve.band.high)[inner].all()
        widths.append(float((curve.band.high - curve.band.low).mean()))
    assert widths[0] > 2 * widths[1]


def test_band_at_no_false_positive_is_the_top_of_the_rise() -> None:
    # Parted without error: every resample finds all without a false call.
    curve = banded_roc_curve([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0, 0, 0, 1, 1, 1], num_resamples=200)
    assert curve.band is not None
    assert curve.band.low.min() == 1.0


def test_copies_of_a_patient_leave_the_band() -> None:
    scores, truth = simulated(40)
    alone = banded_roc_curve(scores, truth, num_resamples=200)
    twice = banded_roc_curve(
        np.repeat(scores, 2), np.repeat(truth, 2), patients=np.repeat(range(40), 2), num_resamples=200
    )
    assert alone.band is not None
    assert twice.band is not None
    np.testing.assert_allclose(alone.band.low, twice.band.low)
    np.testing.assert_allclose(alone.band.high, twice.band.high)


def test_a_threshold_lies_on_the_curve() -> None:
    scores, truth = simulated(100)
    curve = roc_curve(scores, truth)
    assert sensitivity(0.5).value(scores, truth) in curve.sensitivities


def test_one_class_is_refused() -> None:
    with pytest.raises(ShapeError, match="found 0 positive among 2"):
        roc_curve([0.1, 0.2], [0, 0])
