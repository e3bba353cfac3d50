"""Scales: by hand, and there and back as text."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.ehr.stay_scales import CLIP, Scale, Standardiser, StayScales, fit_scale


def test_centre_is_the_median_and_a_quartile_lies_at_0_67() -> None:
    scale = fit_scale("sodium", np.arange(101.0))
    assert scale.centre == 50
    # Quartiles 25 and 75: their distance of 50 over 1.349.
    assert scale.spread == pytest.approx(50 / 1.349)
    assert not scale.is_log


def test_far_values_are_kept_within_the_clip_and_nan_stays() -> None:
    found = Standardiser([fit_scale("sodium", np.arange(101.0))])([[1e9], [-1e9], [np.nan]])
    np.testing.assert_array_equal(found[:, 0], [CLIP, -CLIP, np.nan])


def test_doubling_is_one_step_where_large_values_run_far_out() -> None:
    scale = fit_scale("creatinine", np.exp(np.random.default_rng(0).normal(4, 1, 2000)))
    assert scale.is_log
    low, middle, high = Standardiser([scale])([[50.0], [100.0], [200.0]])[:, 0]
    assert high - middle == pytest.approx(middle - low, rel=1e-5)


def test_few_or_equal_values_have_a_spread() -> None:
    assert fit_scale("ph", [7.4, np.nan]) == Scale(name="ph", centre=7.4, spread=1.0)
    assert fit_scale("dialysis", np.ones(50)).spread == 1.0
    assert fit_scale("ph", []).centre == 0.0


def test_scales_survive_text() -> None:
    scales = StayScales(variables=(fit_scale("sodium", np.arange(101.0)),))
    assert StayScales.model_validate_json(scales.model_dump_json()) == scales


def test_a_column_without_a_scale_is_refused() -> None:
    with pytest.raises(ShapeError, match="2"):
        Standardiser([Scale(name="ph", centre=0, spread=1)])(np.zeros((3, 2)))
