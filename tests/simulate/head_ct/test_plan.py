"""What is drawn from a seed: shares of findings, scans of all kinds, and nothing that a seed does not fix."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.simulate.head_ct.plan import BLEED_SHARE, PALE_MASS_SHARE, SUSPECT_SHARE, HeadPlan, draw_plan
from medpipe.simulate.head_ct.scan_plan import THICKNESS_MM, TWO_THICKNESSES_SHARE

COUNT = 1500
FOUR_DEVIATIONS = 4 * 0.5 / COUNT**0.5
"""A share of so many draws lies within this of what it was drawn with."""


@pytest.fixture(scope="module")
def plans() -> list[HeadPlan]:
    return [draw_plan(seed) for seed in range(COUNT)]


def test_each_bleed_is_drawn_in_a_third_of_the_heads(plans: list[HeadPlan]) -> None:
    for found in ("haematoma", "ventricular", "subarachnoid"):
        share = np.mean([getattr(plan, found) is not None for plan in plans])
        assert share == pytest.approx(SUSPECT_SHARE * BLEED_SHARE, abs=FOUR_DEVIATIONS)


def test_a_third_of_the_heads_hold_nothing(plans: list[HeadPlan]) -> None:
    nothing = [not any((plan.haematoma, plan.ventricular, plan.subarachnoid, plan.pale)) for plan in plans]
    # 0.2 are not suspect; of the others 0.58 cubed hold no bleed, and three quarters of these no pale mass.
    assert np.mean(nothing) == pytest.approx(0.2 + 0.8 * 0.58**3 * 0.75, abs=FOUR_DEVIATIONS)


def test_pale_masses_lie_in_heads_without_a_bleed_into_the_tissue(plans: list[HeadPlan]) -> None:
    assert not any(plan.haematoma and plan.pale for plan in plans)
    expected = SUSPECT_SHARE * (1 - BLEED_SHARE) * PALE_MASS_SHARE
    assert np.mean([plan.pale is not None for plan in plans]) == pytest.approx(expected, abs=FOUR_DEVIATIONS)


def test_scans_have_8_to_64_slices_of_3_to_8_mm(plans: list[HeadPlan]) -> None:
    counts = [len(plan.scan.table_mm) for plan in plans]
    assert min(counts) == 8
    assert 60 <= max(counts) <= 64
    for plan in plans:
        assert (
            THICKNESS_MM[0] <= plan.scan.thickness_mm.min() <= plan.scan.thickness_mm.max() <= THICKNESS_MM[1]
        )
        assert (np.diff(plan.scan.table_mm) > 0).all()


def test_a_third_of_the_scans_change_from_thin_to_thick(plans: list[HeadPlan]) -> None:
    changing = [plan.scan for plan in plans if len(set(plan.scan.thickness_mm)) == 2]
    assert len(changing) / COUNT == pytest.approx(TWO_THICKNESSES_SHARE, abs=FOUR_DEVIATIONS)
    for scan in changing:
        assert (np.diff(scan.thickness_mm) >= 0).all()
        # Slabs touch: neighbours lie half of either thickness apart along the normal.
        gaps = np.diff(scan.table_mm) * np.cos(np.radians(scan.tilt_degrees))
        np.testing.assert_allclose(gaps, (scan.thickness_mm[:-1] + scan.thickness_mm[1:]) / 2)


def test_half_of_the_scans_are_tilted_by_up_to_25_degrees(plans: list[HeadPlan]) -> None:
    tilts = np.array([plan.scan.tilt_degrees for plan in plans])
    assert (tilts == 0).mean() == pytest.approx(0.5, abs=FOUR_DEVIATIONS)
    assert 5.0 <= tilts[tilts > 0].min() <= tilts.max() <= 25.0


@pytest.mark.parametrize("num_slices", [8, 31, 64])
def test_the_number_of_slices_is_as_asked_and_moves_nothing_else(num_slices: int) -> None:
    free, asked = draw_plan(7), draw_plan(7, num_slices=num_slices)
    assert len(asked.scan.table_mm) == len(asked.scan.thickness_mm) == num_slices
    assert (asked.person, asked.haematoma, asked.ventricular) == (
        free.person,
        free.haematoma,
        free.ventricular,
    )


@pytest.mark.parametrize("num_slices", [7, 65])
def test_other_numbers_of_slices_are_refused(num_slices: int) -> None:
    with pytest.raises(ShapeError, match=f"found {num_slices}"):
        draw_plan(0, num_slices=num_slices)
