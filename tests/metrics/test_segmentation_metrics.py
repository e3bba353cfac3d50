"""Metrics of segmentation: worked by hand, beside SimpleITK, and where structures are absent."""

from collections.abc import Sequence
from dataclasses import astuple
from math import inf, nan, sqrt

import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from numpy.testing import assert_allclose

from medpipe.core.errors import ShapeError
from medpipe.metrics.segmentation import (
    Mask,
    dice,
    score_structure,
    surface_distances,
)

SPACING = (0.7, 1.5, 3.0)
SHAPE = (22, 18, 14)


def box(*slices: tuple[int, int], shape: tuple[int, ...] = SHAPE) -> Mask:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*ends) for ends in slices)] = True
    return mask


def blob(seed: int) -> Mask:
    """Return an irregular connected-looking mask clear of the border."""
    generator = np.random.default_rng(seed)
    centre = np.array(SHAPE) / 2 + generator.uniform(-2, 2, 3)
    offsets = (np.moveaxis(np.indices(SHAPE), 0, -1) - centre) / generator.uniform(3, 5, 3)
    mask: Mask = np.linalg.norm(offsets, axis=-1) + generator.normal(0, 0.15, SHAPE) < 1
    mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = False
    return mask


def hausdorff95_mm(pred: Mask, gt: Mask, spacing: Sequence[float]) -> float:
    return surface_distances(pred, gt, spacing).hausdorff95_mm


def sitk_hausdorff95(pred: Mask, gt: Mask) -> float:
    """The same distance by SimpleITK's contours and distance maps."""
    images = []
    for mask in (pred, gt):
        image = SimpleITK.GetImageFromArray(mask.astype(np.uint8).T)  # SimpleITK's arrays are (K, J, I)
        image.SetSpacing(SPACING)
        images.append(SimpleITK.LabelContour(image, fullyConnected=False))
    distances = [
        SimpleITK.GetArrayFromImage(
            SimpleITK.SignedMaurerDistanceMap(
                image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
            )
        )
        for image in images
    ]
    surfaces = [SimpleITK.GetArrayFromImage(image).astype(bool) for image in images]
    directed = [np.abs(distances[1 - side][surfaces[side]]) for side in (0, 1)]
    return float(max(np.percentile(values, 95) for values in directed))


class TestDice:
    def test_by_hand(self) -> None:
        # 4 voxels and 6 voxels share 3: 2 * 3 / 10.
        assert dice(box((0, 4), (0, 1), (0, 1)), box((1, 7), (0, 1), (0, 1))) == pytest.approx(0.6)

    def test_two_axes_work_too(self) -> None:
        assert dice(box((0, 2), (0, 2), shape=(4, 4)), box((0, 2), (1, 3), shape=(4, 4))) == 0.5

    def test_disjoint_masks_have_none(self) -> None:
        assert dice(box((0, 2), (0, 2), (0, 2)), box((5, 7), (0, 2), (0, 2))) == 0.0


class TestHausdorff:
    def test_single_voxels_lie_as_far_apart_as_their_centres(self) -> None:
        pred, gt = box((2, 3), (4, 5), (6, 7)), box((5, 6), (4, 5), (2, 3))
        assert hausdorff95_mm(pred, gt, SPACING) == pytest.approx(sqrt((3 * 0.7) ** 2 + (4 * 3.0) ** 2))

    def test_moved_box_is_off_by_the_move_along_each_axis(self) -> None:
        still = box((5, 15), (5, 12), (4, 9))
        for axis, step in enumerate(SPACING):
            assert hausdorff95_mm(np.roll(still, 1, axis), still, SPACING) == pytest.approx(step)

    def test_percentile_forgives_a_small_outlier(self) -> None:
        line = box((0, 100), (0, 1), shape=(100, 30))
        outlier = line.copy()
        outlier[0, 20] = True
        # 1 voxel of 101 lies 20 mm off, the others on the line.
        assert hausdorff95_mm(outlier, line, (1.0, 1.0)) == 0.0

    def test_larger_of_both_directions_counts(self) -> None:
        whole, half = box((0, 20), (0, 1), shape=(20, 3)), box((0, 10), (0, 1), shape=(20, 3))
        # From the whole line the ends lie 0 ten times, then 1 ... 10 mm off: the 95th percentile of 20 values
        # is at rank 18.05, between 9 and 10. From the half all lie on the whole.
        assert hausdorff95_mm(half, whole, (1.0, 1.0)) == pytest.approx(9.05)

    def test_inside_of_a_mask_does_not_count(self) -> None:
        solid = box((5, 15), (5, 12), (4, 9))
        hollow = solid & ~box((8, 12), (7, 10), (6, 7))
        # The wall of the hole lies inside the solid, up to its distance to the surface; the solid's own is 0.
        assert hausdorff95_mm(hollow, solid, (1.0, 1.0, 1.0)) <= 2.0

    def test_mask_at_the_border_has_its_surface_there(self) -> None:
        full = np.ones((6, 6, 6), bool)
        assert hausdorff95_mm(
            box((0, 6), (0, 6), (0, 4), shape=(6, 6, 6)), full, (1.0, 1.0, 1.0)
        ) == pytest.approx(2.0)

    @pytest.mark.parametrize("seed", range(6))
    def test_agrees_with_simpleitk_on_anisotropic_grids(self, seed: int) -> None:
        pred, gt = blob(seed), blob(seed + 100)
        assert_allclose(hausdorff95_mm(pred, gt, SPACING), sitk_hausdorff95(pred, gt), rtol=1e-5)

    @given(seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)), scale=st.floats(0.1, 10))
    def test_symmetric_and_proportional_to_the_spacing(self, seeds: tuple[int, int], scale: float) -> None:
        pred, gt = (blob(seed) for seed in seeds)
        distance = hausdorff95_mm(pred, gt, SPACING)
        assert hausdorff95_mm(gt, pred, SPACING) == distance
        scaled = hausdorff95_mm(pred, gt, [scale * step for step in SPACING])
        assert_allclose(scaled, scale * distance, rtol=1e-9)

    def test_axes_go_with_their_spacing_under_permutation(self) -> None:
        pred, gt = blob(1), blob(2)
        turned = hausdorff95_mm(pred.transpose(2, 0, 1), gt.transpose(2, 0, 1), (SPACING[2], *SPACING[:2]))
        assert turned == pytest.approx(hausdorff95_mm(pred, gt, SPACING))


@pytest.mark.filterwarnings("ignore:monai.metrics.utils:FutureWarning", "ignore:the .* of class 0 is all 0")
class TestSurface:
    def test_average_is_over_both_surfaces_together(self) -> None:
        whole, half = box((0, 20), (0, 1), shape=(20, 3)), box((0, 10), (0, 1), shape=(20, 3))
        # 20 voxels of the whole line lie 0 ten times and 1 ... 10 mm off, the 10 of the half on the whole.
        assert surface_distances(half, whole, (1.0, 1.0)).assd_mm == pytest.approx(55 / 30)

    def test_voxels_within_the_tolerance_count(self) -> None:
        whole, half = box((0, 20), (0, 1), shape=(20, 3)), box((0, 10), (0, 1), shape=(20, 3))
        distances = surface_distances(half, whole, (1.0, 1.0))
        # Beside 20 voxels on the other line: those 1 and 2 mm off; a voxel at the tolerance counts.
        assert distances.nsd(2.0) == pytest.approx(22 / 30)
        assert distances.nsd(0.0) == pytest.approx(20 / 30)
        assert distances.nsd(10.0) == 1.0

    @pytest.mark.parametrize("seed", range(4))
    def test_agrees_with_monai_on_anisotropic_grids(self, seed: int) -> None:
        pred, gt = blob(seed), blob(seed + 100)
        pair = [torch.from_numpy(mask)[None, None] for mask in (pred, gt)]
        found = score_structure(pred, gt, SPACING, tolerance_mm=1.6)
        given = {"include_background": True, "spacing": list(SPACING)}
        assd = compute_average_surface_distance(*pair, symmetric=True, **given)
        assert found.assd_mm == pytest.approx(float(assd), rel=1e-5)
        assert found.nsd == pytest.approx(float(compute_surface_dice(*pair, [1.6], **given)), rel=1e-5)
        hausdorff = compute_hausdorff_distance(*pair, percentile=95, **given)
        assert found.hausdorff95_mm == pytest.approx(float(hausdorff), rel=1e-5)

    def test_monai_leaves_two_empty_masks_undefined_and_agrees_on_one(self) -> None:
        nothing = np.zeros(SHAPE, bool)
        for pred, gt, expected, ours in ((nothing, nothing, nan, 1.0), (nothing, blob(1), 0.0, 0.0)):
            pair = [torch.from_numpy(mask)[None, None] for mask in (pred, gt)]
            theirs = float(compute_surface_dice(*pair, [1.0], include_background=True))
            assert theirs == pytest.approx(expected, nan_ok=True)
            assert score_structure(pred, gt, SPACING).nsd == ours

    def test_sheared_grid_is_measured_along_its_axes(self) -> None:
        # Slices move on by 4 mm as they rise by 3: voxels one slice apart are 5 mm apart.
        steps = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 4.0], [0.0, 0.0, 3.0]])
        score = score_structure(box((2, 3), (4, 5), (6, 7)), box((2, 3), (4, 5), (7, 8)), steps)
        assert score.hausdorff95_mm == pytest.approx(5.0)
        assert score.assd_mm == pytest.approx(5.0)
        assert score.gt_volume_ml == pytest.approx(0.006)

    def test_turned_grid_measures_the_same(self) -> None:
        turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
        straight = score_structure(blob(1), blob(2), SPACING)
        turned = score_structure(blob(1), blob(2), turn @ np.diag(SPACING))
        assert_allclose(astuple(turned), astuple(straight), rtol=1e-9)


class TestScore:
    def test_volumes_are_in_millilitres(self) -> None:
        score = score_structure(box((0, 10), (0, 5), (0, 4)), box((0, 10), (0, 10), (0, 4)), (1.0, 2.0, 2.5))
        # 200 and 400 voxels of 5 mm^3.
        assert score.pred_volume_ml == pytest.approx(1.0)
        assert score.gt_volume_ml == pytest.approx(2.0)
        assert score.volume_error_ml == pytest.approx(-1.0)
        assert score.volume_error_percent == pytest.approx(-50.0)

    def test_absent_from_both_agrees_perfectly(self) -> None:
        nothing = np.zeros(SHAPE, bool)
        score = score_structure(nothing, nothing, SPACING)
        assert (score.dice, score.hausdorff95_mm, score.assd_mm, score.nsd) == (1.0, 0.0, 0.0, 1.0)
        assert (score.volume_error_ml, score.volume_error_percent) == (0.0, 0.0)

    def test_missed_structure_is_infinitely_far(self) -> None:
        score = score_structure(np.zeros(SHAPE, bool), blob(1), SPACING)
        assert (score.dice, score.hausdorff95_mm, score.volume_error_percent) == (0.0, inf, -100.0)
        assert (score.assd_mm, score.nsd) == (inf, 0.0)

    def test_invented_structure_is_infinitely_far_and_infinitely_too_large(self) -> None:
        score = score_structure(blob(1), np.zeros(SHAPE, bool), SPACING)
        assert (score.dice, score.hausdorff95_mm, score.volume_error_percent) == (0.0, inf, inf)


class TestRefusals:
    def test_masks_of_two_grids(self) -> None:
        with pytest.raises(ShapeError, match=r"found \(2, 3, 4\) and \(4, 3, 2\)"):
            score_structure(np.ones((2, 3, 4), bool), np.ones((4, 3, 2), bool), SPACING)

    def test_spacing_of_other_axes(self) -> None:
        with pytest.raises(ShapeError, match=r"are 3 spacings or 3 x 3 numbers: found \[1.0, 1.0\]"):
            hausdorff95_mm(blob(1), blob(2), (1.0, 1.0))

    def test_volume_of_two_axes(self) -> None:
        with pytest.raises(ShapeError, match=r"found shape \(2, 3\)"):
            score_structure(np.ones((2, 3), bool), np.ones((2, 3), bool), SPACING)
