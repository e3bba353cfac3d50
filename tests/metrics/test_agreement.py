"""Agreement of predicted numbers with the truth."""

import numpy as np
import pytest
from scipy import stats

from medpipe.core.errors import ShapeError
from medpipe.metrics.agreement import agreement


def test_figures_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(20, 5, 50)
    predicted = truth + rng.normal(1, 2, 50)
    found = {item.metric: item for item in agreement(predicted, truth)}
    difference = predicted - truth
    assert found["mean_absolute_error"].value == pytest.approx(np.abs(difference).mean())
    assert found["bias"].value == pytest.approx(difference.mean())
    assert found["scatter"].value == pytest.approx(difference.std())
    assert found["correlation"].value == pytest.approx(stats.pearsonr(predicted, truth).statistic)
    for item in found.values():
        assert item.interval.low < item.value < item.interval.high


def test_a_truth_that_does_not_vary_has_no_correlation() -> None:
    assert "correlation" not in {item.metric for item in agreement([1, 2, 3], [2, 2, 2])}


@pytest.mark.parametrize(("predicted", "truth"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2])])
def test_too_few_or_unequal_lists_are_refused(predicted: list[float], truth: list[float]) -> None:
    with pytest.raises(ShapeError, match="at least 3"):
        agreement(predicted, truth)
