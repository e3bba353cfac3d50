"""Areas under both curves: by hand, equal to scikit-learn's, with the intervals of the other metrics."""

from math import isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from medpipe.core.errors import ShapeError
from medpipe.metrics.classification import AVERAGE_PRECISION, ROC_AUC
from medpipe.metrics.discrimination import (
    discrimination,
    normalised_average_precision,
    precision_curve,
    threshold_at_precision,
)
from medpipe.metrics.estimates import Draws

FEW = Draws(number=40)


def simulated(num_steps: int, num_patients: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with many ties, truth, and patients named in no order."""
    rng = np.random.default_rng(5)
    patients = rng.integers(num_patients, size=num_steps)
    truth = (rng.random(num_steps) < 0.2).astype(float)
    return np.round((0.6 * rng.random(num_steps) + 0.4 * truth) * 30) / 30, truth, patients


class TestHandWorked:
    # Descending: 0.9 (1), 0.6 (0 and 1), 0.2 (0), of patients a, b, a, b.
    FOUND = discrimination([0.2, 0.6, 0.9, 0.6], [0, 1, 1, 0], ["b", "a", "a", "b"], draws=FEW)

    def test_roc_auc(self) -> None:
        # Pairs: 0.9 above both negatives, 0.6 above 0.2, 0.6 = 0.6.
        assert self.FOUND.roc_auc.value == 3.5 / 4

    def test_average_precision(self) -> None:
        # 1 of 1 at 0.9, then 2 of 3 at 0.6.
        assert self.FOUND.average_precision.value == pytest.approx((1 + 2 / 3) / 2)

    def test_normalised_precision(self) -> None:
        # At a prevalence of 1/2 the least area is 1 + ln(1/2).
        least = 1 - log(2)
        assert self.FOUND.normalised_precision.value == pytest.approx((5 / 6 - least) / (1 - least))

    def test_counts(self) -> None:
        assert self.FOUND.prevalence.value == 0.5
        assert (self.FOUND.num_steps, self.FOUND.num_positive, self.FOUND.num_patients) == (4, 2, 2)

    def test_one_class_has_no_area(self) -> None:
        found = discrimination([0.2, 0.4], [0, 0], [0, 1], draws=FEW)
        assert isnan(found.roc_auc.value)
        assert found.prevalence.value == 0.0

    def test_unknown_steps_are_left_out(self) -> None:
        found = discrimination([0.2, 0.6, 0.9, 0.6, 1.0], [0, 1, 1, 0, np.nan], list("baabc"), draws=FEW)
        assert found == self.FOUND


def test_areas_are_those_of_scikit_learn() -> None:
    scores, truth, patients = simulated(3000, 60)
    found = discrimination(scores, truth, patients, draws=FEW)
    assert found.roc_auc.value == pytest.approx(peer.roc_auc_score(truth, scores))
    assert found.average_precision.value == pytest.approx(peer.average_precision_score(truth, scores))


def test_intervals_are_those_of_the_slower_metrics() -> None:
    scores, truth, patients = simulated(600, 12)
    found = discrimination(scores, truth, patients, draws=FEW)
    for metric, ours in ((ROC_AUC, found.roc_auc), (AVERAGE_PRECISION, found.average_precision)):
        theirs = metric.interval(scores, truth, patients=patients, num_resamples=FEW.number)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=20))
def test_areas_match_the_definitions_whatever_is_tied(steps: list[tuple[int, bool, int]]) -> None:
    scores, truth, patients = (np.array(column, dtype=float) for column in zip(*steps, strict=True))
    found = discrimination(scores, truth, patients, draws=Draws(number=2))
    for metric, ours in ((ROC_AUC, found.roc_auc), (AVERAGE_PRECISION, found.average_precision)):
        assert ours.value == pytest.approx(metric.value(scores, truth), nan_ok=True)
    if 0 < truth.mean() < 1:
        assert -1e-9 <= found.normalised_precision.value <= 1 + 1e-9


def test_worst_order_of_many_steps_normalises_to_nothing() -> None:
    truth = np.append(np.ones(2000), np.zeros(8000))
    worst = AVERAGE_PRECISION.value(np.arange(10_000), truth)
    assert normalised_average_precision(np.array(worst), np.array(0.2)) == pytest.approx(0, abs=1e-3)
    assert normalised_average_precision(np.array(1.0), np.array(0.2)) == 1.0


class TestThresholds:
    # Precision 1, 1/2, 2/3, 2/4 at 0.9, 0.8, 0.7, 0.1.
    CURVE = precision_curve([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0])

    def test_curve(self) -> None:
        assert self.CURVE.precisions == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
        assert self.CURVE.sensitivities.tolist() == [0.5, 0.5, 1, 1]
        assert self.CURVE.prevalence == 0.5

    @pytest.mark.parametrize(("precision", "threshold"), [(0.5, 0.1), (0.6, 0.7), (0.67, 0.9), (1.0, 0.9)])
    def test_lowest_threshold_with_the_precision(self, precision: float, threshold: float) -> None:
        assert threshold_at_precision(self.CURVE, precision) == threshold

    def test_precision_out_of_reach_has_none(self) -> None:
        assert isnan(threshold_at_precision(precision_curve([0.9, 0.8], [0, 1]), 0.75))

    @pytest.mark.parametrize("precision", [0.0, 1.2, -1.0])
    def test_precision_out_of_range_is_refused(self, precision: float) -> None:
        with pytest.raises(ShapeError, match=f"found {precision:g}"):
            threshold_at_precision(self.CURVE, precision)

    def test_no_positive_step_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="found none among 2"):
            precision_curve([0.1, 0.2], [0, 0])
