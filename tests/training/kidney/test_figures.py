"""Figures of the test patients, by hand."""

import numpy as np
import pytest

from medpipe.training.kidney.figures import figures_of, horizons_of

nan = np.nan
TRUTH = np.array([[1.0, 0], [0, 0], [0, nan], [1, 0], [nan, 0], [0, 0]])
PATIENTS = np.array(["a", "a", "b", "c", "d", "d"])
SCORES = np.array([[0.9, 0], [0.3, 0], [0.5, 0], [0.4, 0], [0.1, 0], [0.2, 0]])


def test_prevalence_is_of_the_known_steps() -> None:
    first, second = horizons_of(TRUTH, PATIENTS, (6.0, 12.0))
    assert first == (6.0, 6, pytest.approx(5 / 6), 0.4, 4, 2)
    assert (second.observable, second.prevalence, second.ill) == (pytest.approx(5 / 6), 0.0, 0)


def test_figures_are_of_horizons_with_both_outcomes() -> None:
    models = {"network": SCORES, "ensemble": SCORES, "trees": -SCORES}
    figures = {
        (item.model, item.metric): item for item in figures_of(models, SCORES, TRUTH, PATIENTS, (6.0, 12.0))
    }
    assert {item.horizon_h for item in figures.values()} == {6.0}
    # Of 2 x 3 pairs of ill and well, one is out of order: 0.4 below 0.5.
    assert figures["ensemble", "AUROC"].value == pytest.approx(5 / 6)
    assert figures["trees", "AUROC"].value == pytest.approx(1 / 6)
    assert figures["ensemble - trees", "AUROC"].value == pytest.approx(4 / 6)
    # Precision 1 at the first of the ill, 2/3 at the second.
    assert figures["network", "AUPRC"].value == pytest.approx(5 / 6)
    for item in figures.values():
        assert item.low <= item.high
