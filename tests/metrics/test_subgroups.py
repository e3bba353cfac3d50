"""Subgroups: their figures are those of their patients alone, and small ones have none."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.metrics.alerts import operating_point
from medpipe.metrics.estimates import Draws
from medpipe.metrics.risk_steps import risk_steps
from medpipe.metrics.subgroups import age_bands, subgroup_figures

FEW = Draws(number=20)
# Patients 0 and 2 are F, 1 is M, 3 has no known truth.
STEPS = risk_steps(
    [0, 0, 1, 1, 2, 2, 3],
    [0, 6, 0, 6, 0, 6, 0],
    [0.9, 0.2, 0.8, 0.3, 0.6, 0.4, 0.5],
    [1, 0, 0, 0, 0, 1, np.nan],
    horizon_h=24,
    onset_patients=[0, 2],
    onset_h=[5, 20],
)


def test_figures_are_those_of_its_patients() -> None:
    women, men = subgroup_figures(
        STEPS, ["F", "M", "F", "other"], threshold=0.5, min_positive_patients=1, draws=FEW
    )
    assert (women.name, women.num_patients, women.num_steps, women.num_positive_patients) == ("F", 2, 4, 2)
    assert women.figures is not None
    # Positive 0.9 and 0.4, negative 0.2 and 0.6: three of four pairs are in order.
    assert women.figures.roc_auc.value == 0.75
    # Alerts at 0.9, true, and 0.6, false; the alert at 0 h foresees the onset at 20 h as well.
    assert women.figures.sensitivity.value == 0.5
    assert women.figures.precision.value == 0.5
    assert women.figures.episode_sensitivity.value == 1.0
    assert women.figures.in_the_large.value == pytest.approx(2.1 / 4 - 0.5)
    assert (men.name, men.num_positive_patients, men.figures) == ("M", 0, None)


def test_the_least_number_of_patients_is_kept_to() -> None:
    (group,) = subgroup_figures(STEPS, ["all"] * 4, threshold=0.5, min_positive_patients=3, draws=FEW)
    assert (group.num_positive_patients, group.figures) == (2, None)
    (group,) = subgroup_figures(STEPS, ["all"] * 4, threshold=0.5, min_positive_patients=2, draws=FEW)
    assert group.figures is not None
    assert group.figures.precision == operating_point(STEPS, 0.5, draws=FEW).precision


def test_ages_fall_into_bands_that_begin_with_their_edges() -> None:
    assert age_bands([17.9, 18, 39.9, 40, 74.99, 75, 101, np.nan]) == [
        "under 18",
        "18 to 39",
        "18 to 39",
        "40 to 59",
        "60 to 74",
        "75 and over",
        "75 and over",
        "unknown",
    ]


def test_groups_stand_in_order_the_unknown_last() -> None:
    found = subgroup_figures(STEPS, ["unknown", "18 to 39", "under 18", "x"], threshold=0.5, draws=FEW)
    assert [group.name for group in found] == ["under 18", "18 to 39", "unknown"]


def test_groups_of_other_patients_are_refused() -> None:
    with pytest.raises(ShapeError, match="4 patients"):
        subgroup_figures(STEPS, ["F", "M"], threshold=0.5)
