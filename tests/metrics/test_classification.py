"""Classification metrics: those of their definitions and of scikit-learn, and honest about patients."""

import time
from math import isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from medpipe.core.errors import ShapeError
from medpipe.metrics.classification import (
    AVERAGE_PRECISION,
    BRIER_SCORE,
    LOG_LOSS,
    ROC_AUC,
    calibration_error,
    sensitivity,
    specificity,
    weighted_log_loss,
    youden_threshold,
)
from medpipe.metrics.metric import Metric

SCORES = [0.1, 0.4, 0.4, 0.8]
TRUTH = [0, 0, 1, 1]
ALONE = (ROC_AUC, AVERAGE_PRECISION, LOG_LOSS, BRIER_SCORE, calibration_error(), sensitivity(0.5))


def simulated(num_cases: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities in steps of 0.05, so that many are equal, and a truth of both classes."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(num_cases) < 0.3).astype(float)
    truth[:2] = 0, 1
    return np.round((0.7 * rng.random(num_cases) + 0.3 * truth) * 20) / 20, truth


class TestRocAuc:
    def test_a_tie_counts_half(self) -> None:
        # Pairs of a positive and a negative: 0.4 > 0.1, 0.4 = 0.4, 0.8 > 0.1, 0.8 > 0.4.
        assert ROC_AUC.value(SCORES, TRUTH) == 3.5 / 4

    def test_scores_of_one_value_guess(self) -> None:
        assert ROC_AUC.value([3.0] * 4, TRUTH) == 0.5

    def test_infinite_scores_are_ordered(self) -> None:
        assert ROC_AUC.value([-np.inf, 0.0, np.inf], [0, 1, 1]) == 1.0

    def test_one_class_has_none(self) -> None:
        assert isnan(ROC_AUC.value(SCORES, [1, 1, 1, 1]))

    @given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30))
    def test_is_the_share_of_pairs_in_order(self, cases: list[tuple[int, bool]]) -> None:
        positive = [score for score, truth in cases if truth]
        negative = [score for score, truth in cases if not truth]
        found = ROC_AUC.value([score for score, _ in cases], [truth for _, truth in cases])
        if not positive or not negative:
            assert isnan(found)
            return
        wins = [(high > low) + (high == low) / 2 for high in positive for low in negative]
        assert found == pytest.approx(np.mean(wins))


def test_figures_are_those_of_scikit_learn() -> None:
    probs, truth = simulated(500)
    assert ROC_AUC.value(probs, truth) == pytest.approx(peer.roc_auc_score(truth, probs))
    assert AVERAGE_PRECISION.value(probs, truth) == pytest.approx(peer.average_precision_score(truth, probs))
    clipped = probs.clip(1e-15, 1 - 1e-15)
    assert LOG_LOSS.value(probs, truth) == pytest.approx(peer.log_loss(truth, clipped))
    assert BRIER_SCORE.value(probs, truth) == pytest.approx(peer.brier_score_loss(truth, probs))
    assert sensitivity(0.5).value(probs, truth) == pytest.approx(peer.recall_score(truth, probs >= 0.5))


def test_average_precision_of_two_found_first_and_last() -> None:
    # Precision at the two positive: 1 of 1, then 2 of 3.
    assert AVERAGE_PRECISION.value([0.9, 0.5, 0.2], [1, 0, 1]) == pytest.approx((1 + 2 / 3) / 2)


def test_a_case_at_the_threshold_is_called_positive() -> None:
    assert sensitivity(0.4).value(SCORES, TRUTH) == 1.0
    assert specificity(0.4).value(SCORES, TRUTH) == 0.5


class TestLogLoss:
    def test_any_counts_double(self) -> None:
        losses = -log(0.8), -log(0.5), -log(0.9)
        found = weighted_log_loss((2, 1, 1)).value([[0.8, 0.5, 0.1]], [[1, 0, 0]])
        assert found == pytest.approx((2 * losses[0] + losses[1] + losses[2]) / 4)

    def test_is_that_of_the_challenge(self) -> None:
        rng = np.random.default_rng(0)
        probs, truth = rng.random((200, 6)), (rng.random((200, 6)) < 0.2).astype(float)
        weights = (2, 1, 1, 1, 1, 1)
        rows = peer.log_loss(truth.ravel(), probs.ravel(), sample_weight=np.tile(weights, 200))
        assert weighted_log_loss(weights).value(probs, truth) == pytest.approx(rows)

    def test_certainty_that_was_wrong_is_clipped(self) -> None:
        assert LOG_LOSS.value([0.0], [1]) == pytest.approx(-log(1e-15))

    def test_an_unknown_label_leaves_the_others_of_its_case(self) -> None:
        found = weighted_log_loss((2, 1)).value([[0.8, 0.5], [0.3, 0.3]], [[1, np.nan], [np.nan, np.nan]])
        assert found == pytest.approx(-log(0.8))

    def test_weights_must_fit_the_labels(self) -> None:
        with pytest.raises(ShapeError, match="found 2 weights, 3 labels"):
            weighted_log_loss((1, 1)).value([[0.1, 0.2, 0.3]], [[0, 0, 1]])


def test_calibration_error_weighs_bins_by_their_cases() -> None:
    # Bin 0.2-0.3: 4 cases, mean 0.25, 1 positive: no gap. Bin 0.9-1.0: 1 case at 1.0, negative: gap 1.
    found = calibration_error().value([0.25] * 4 + [1.0], [1, 0, 0, 0, 0])
    assert found == pytest.approx(1 / 5)


class TestYoudenThreshold:
    def test_lies_halfway_between_the_classes(self) -> None:
        assert youden_threshold([0.1, 0.2, 0.6, 0.8], [0, 0, 1, 1]) == pytest.approx(0.4)

    def test_of_equal_ones_the_lowest_is_taken(self) -> None:
        # Calling the upper one or the upper three positive: sensitivity + specificity is 1.5 both times.
        assert youden_threshold([0.1, 0.3, 0.5, 0.7], [0, 1, 0, 1]) == pytest.approx(0.2)

    def test_no_other_threshold_is_better(self) -> None:
        probs, truth = simulated(200)

        def index(threshold: float) -> float:
            return sensitivity(threshold).value(probs, truth) + specificity(threshold).value(probs, truth)

        best = index(youden_threshold(probs, truth))
        assert best == pytest.approx(max(index(value) for value in probs))

    def test_one_class_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="found 2 positive among 2"):
            youden_threshold([0.1, 0.2, 0.3], [1, 1, np.nan])


@pytest.mark.parametrize("metric", ALONE, ids=lambda metric: metric.name)
class TestEveryMetric:
    def test_unknown_truth_is_left_out(self, metric: Metric) -> None:
        probs, truth = simulated(60)
        more = metric.value([*probs, 0.1, 0.9], [*truth, np.nan, np.nan])
        assert more == metric.value(probs, truth)
        patients = [*range(60), 0, 99]
        assert metric.interval([*probs, 0.1, 0.9], [*truth, np.nan, np.nan], patients=patients) == (
            metric.interval(probs, truth, patients=patients[:60])
        )

    def test_a_count_of_two_is_the_case_twice(self, metric: Metric) -> None:
        probs, truth = simulated(30)
        counts = np.arange(30) % 3
        (counted,) = metric.counted(probs, truth, counts[None].astype(float))
        assert counted == pytest.approx(metric.value(np.repeat(probs, counts), np.repeat(truth, counts)))

    def test_a_predictor_does_not_differ_from_itself(self, metric: Metric) -> None:
        probs, truth = simulated(80)
        interval = metric.difference(probs, probs, truth)
        assert (interval.low, interval.high) == (0.0, 0.0)

    def test_interval_holds_the_figure(self, metric: Metric) -> None:
        probs, truth = simulated(300)
        interval = metric.interval(probs, truth)
        assert interval.low < metric.value(probs, truth) < interval.high


def test_two_thousand_resamples_of_800_cases_are_quick() -> None:
    probs, truth = simulated(800)
    start = time.perf_counter()
    ROC_AUC.difference(probs, probs[::-1], truth, num_resamples=2000)
    assert time.perf_counter() - start < 2.0  # 0.1 s on an idle core


class TestPatients:
    def test_copies_of_a_case_add_nothing(self) -> None:
        probs, truth = simulated(60)
        alone = ROC_AUC.interval(probs, truth)
        copies = ROC_AUC.interval(np.repeat(probs, 5), np.repeat(truth, 5), patients=np.repeat(range(60), 5))
        assert copies == alone
        # Taken for cases of their own, they would feign certainty.
        naive = ROC_AUC.interval(np.repeat(probs, 5), np.repeat(truth, 5))
        assert naive.high - naive.low < 0.6 * (alone.high - alone.low)

    def test_a_small_steady_gain_is_seen_in_pairs_only(self) -> None:
        probs, truth = simulated(300)
        better = (probs + 0.05 * truth).clip(0, 1)
        difference = BRIER_SCORE.difference(better, probs, truth)
        assert difference.high < 0
        ours, theirs = BRIER_SCORE.interval(better, truth), BRIER_SCORE.interval(probs, truth)
        assert ours.high > theirs.low

    def test_resamples_of_one_class_are_left_out(self) -> None:
        # One positive among 5: a third of the draws lack it, (4/5)^5 = 0.33. Where it is, it is ahead.
        interval = ROC_AUC.interval([0.1, 0.2, 0.3, 0.4, 0.9], [0, 0, 0, 0, 1])
        assert (interval.low, interval.high) == (1.0, 1.0)

    def test_a_figure_that_most_resamples_lack_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="found 0 of 2000"):
            ROC_AUC.interval([0.1, 0.2], [1, 1])


@pytest.mark.parametrize(
    ("metric", "scores", "truth", "found"),
    [
        (ROC_AUC, [0.1, 0.2], [0, 1, 1], r"\(2,\) and \(3,\)"),
        (ROC_AUC, [0.1, np.nan], [0, 1], "1 NaN among 2"),
        (ROC_AUC, [0.1, 0.2], [0, 2], "found 2"),
        (ROC_AUC, [0.1, 0.2], [np.nan, np.nan], "2 cases"),
        (ROC_AUC, [[0.1, 0.2]], [[0, 1]], r"shape \(1, 2\)"),
        (BRIER_SCORE, [0.1, 1.2], [0, 1], "0.1 to 1.2"),
        (weighted_log_loss((1,)), [0.1], [1], r"shape \(1,\)"),
    ],
)
def test_what_cannot_be_scored_is_refused(metric: Metric, scores: list, truth: list, found: str) -> None:
    with pytest.raises(ShapeError, match=found):
        metric.value(scores, truth)


def test_patients_must_be_of_the_cases() -> None:
    with pytest.raises(ShapeError, match=r"\(3,\) and \(4,\)"):
        ROC_AUC.interval(SCORES, TRUTH, patients=["a", "b", "c"])
