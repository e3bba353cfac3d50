"""The body in an image: phantoms of known volume, on every kind of grid."""

from math import pi

import numpy as np
import pytest
import torch

from medpipe.core.affine import Array
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.metrics.body import measure_body, measure_intensities

SOURCE = Source(kind=SourceKind.MEMORY)
AIR, WATER = -1000.0, 0.0
FINE = 0.01
"""A spacing so small that nothing is thinned."""


def box(shape: tuple[int, int, int], *slices: tuple[int, int]) -> np.ndarray:
    """Return air with a box of water."""
    values = np.full(shape, AIR, np.float32)
    values[tuple(slice(*ends) for ends in slices)] = WATER
    return values


def ball(radius_mm: float, shape: tuple[int, int, int], affine: Array) -> np.ndarray:
    """Return air with a ball of water around the middle of the grid."""
    indices = np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2
    inside = np.linalg.norm(indices @ affine[:3, :3].T, axis=-1) < radius_mm
    return np.where(inside, WATER, AIR).astype(np.float32)


def volume(values: np.ndarray, affine: Array | None = None, modality: str = "CT") -> Volume:
    return Volume(torch.from_numpy(values)[None], np.eye(4) if affine is None else affine, modality, SOURCE)


def stack(
    values: np.ndarray, positions_mm: list[float], *, thickness_mm: float = np.nan, in_plane_mm: float = 1.0
) -> SliceStack:
    """Return axial slices of ``(I, J, K)`` values at these heights."""
    num_slices = values.shape[2]
    return SliceStack(
        array=torch.from_numpy(np.moveaxis(values, 2, 0)[:, None]),
        in_plane_mm=in_plane_mm * np.eye(3)[:, :2],
        positions_mm=np.array([[0.0, 0.0, height] for height in positions_mm]),
        thickness_mm=np.full(num_slices, thickness_mm),
        modality="CT",
        source=SOURCE,
    )


class TestVolume:
    def test_box_on_an_anisotropic_grid(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        # 10 * 12 * 13 = 1,560 voxels of 0.5 * 0.75 * 2 = 0.75 mm^3.
        body = measure_body(volume(values, np.diag([0.5, 0.75, 2.0, 1.0])), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(1.17)
        assert body.steps == (1, 1, 1)
        assert AIR < body.threshold < WATER

    def test_gantry_tilt_does_not_change_the_volume(self) -> None:
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        affine[1, 2] = 0.6  # each slice lies 0.6 mm further forward
        body = measure_body(volume(box((20, 24, 28), (3, 13), (5, 17), (7, 20)), affine), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(1560 * 2.0 / 1000)

    def test_smaller_objects_do_not_belong_to_it(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[15:18, 19:23, 22:27] = WATER
        body = measure_body(volume(values), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(1.56)
        assert not body.mask[15:].any()

    def test_mirrored_and_permuted_axes_measure_the_same(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        whole = volume(values, np.diag([0.5, 0.75, 2.0, 1.0]))
        for orientation in ("LPS", "SRA", "AIL"):
            body = measure_body(whole.reoriented(orientation), thin_to_mm=FINE)
            assert body.volume_ml == pytest.approx(1.17)


class TestHoles:
    def test_closed_cavity_is_filled(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[5:8, 7:10, 9:12] = AIR
        body = measure_body(volume(values), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(1.56)

    def test_airway_that_leaves_through_the_top_is_filled_in_each_axial_plane(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[5:8, 7:10, 9:] = AIR
        assert measure_body(volume(values), thin_to_mm=FINE).volume_ml == pytest.approx(1.56)
        # Axial planes are found by the affine, not by the array's last axis.
        turned = volume(values).reoriented("SRA")
        assert measure_body(turned, thin_to_mm=FINE).volume_ml == pytest.approx(1.56)

    def test_groove_that_opens_to_the_side_is_not(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[3:8, 7:10, 7:20] = AIR
        # The groove takes 5 * 3 * 13 = 195 voxels.
        assert measure_body(volume(values), thin_to_mm=FINE).volume_ml == pytest.approx(1.365)


class TestSlices:
    def test_each_slice_stands_for_half_of_both_gaps(self) -> None:
        values = box((10, 12, 5), (2, 7), (3, 9), (0, 5))
        # Heights 0, 2, 4, 10, 16: depths 2, 2, (2 + 6) / 2 = 4, 6, 6 mm, 20 mm in all; 30 mm^2 a slice.
        body = measure_body(stack(values, [0, 2, 4, 10, 16]), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(30 * 20 / 1000)

    def test_slice_without_the_body_gives_none(self) -> None:
        values = box((10, 12, 5), (2, 7), (3, 9), (0, 3))
        body = measure_body(stack(values, [0, 2, 4, 10, 16], in_plane_mm=2.0), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(4 * 30 * (2 + 2 + 4) / 1000)

    def test_even_slices_measure_what_the_volume_does(self) -> None:
        values = box((10, 12, 6), (2, 7), (3, 9), (1, 4))
        as_volume = measure_body(volume(values, np.diag([1.0, 1.0, 3.0, 1.0])), thin_to_mm=FINE)
        as_slices = measure_body(stack(values, [0, 3, 6, 9, 12, 15]), thin_to_mm=FINE)
        assert as_slices.volume_ml == pytest.approx(as_volume.volume_ml)

    def test_tilted_slices_measure_by_their_distance_along_the_normal(self) -> None:
        values = box((10, 12, 4), (2, 7), (3, 9), (0, 4))
        tilted = stack(values, [0, 3, 6, 9])
        moved = SliceStack(
            array=tilted.array,
            in_plane_mm=tilted.in_plane_mm,
            positions_mm=tilted.positions_mm + np.outer(np.arange(4), [0.0, 1.0, 0.0]),
            thickness_mm=tilted.thickness_mm,
            modality="CT",
            source=SOURCE,
        )
        assert measure_body(moved, thin_to_mm=FINE).volume_ml == pytest.approx(30 * 12 / 1000)

    @pytest.mark.parametrize(("thickness_mm", "depth_mm"), [(5.0, 5.0), (np.nan, 1.0)])
    def test_single_slice_is_as_deep_as_its_thickness(self, thickness_mm: float, depth_mm: float) -> None:
        body = measure_body(
            stack(box((10, 12, 1), (2, 7), (3, 9), (0, 1)), [4.0], thickness_mm=thickness_mm), thin_to_mm=FINE
        )
        assert body.volume_ml == pytest.approx(30 * depth_mm / 1000)

    def test_thinned_slices_keep_their_uneven_depths(self) -> None:
        values = box((10, 12, 5), (2, 8), (4, 10), (0, 5))
        whole, thinned = (
            measure_body(stack(values, [0, 2, 4, 10, 16]), thin_to_mm=spacing) for spacing in (FINE, 8.0)
        )
        # The median gap is 4 mm, so every second slice is kept; 8 mm in the plane, from voxel 0 and 8.
        assert thinned.steps == (8, 8, 2)
        assert whole.volume_ml == pytest.approx(36 * 20 / 1000)


class TestFaces:
    SHAPE = (20, 24, 28)

    @pytest.mark.parametrize(
        ("slices", "faces"),
        [
            (((0, 13), (5, 17), (7, 20)), ("left",)),
            (((3, 20), (5, 17), (7, 20)), ("right",)),
            (((3, 13), (0, 17), (7, 20)), ("back",)),
            (((3, 13), (5, 24), (7, 20)), ("front",)),
            (((0, 20), (0, 24), (7, 20)), ("back", "front", "left", "right")),
            (((3, 13), (5, 17), (0, 28)), ()),
            (((3, 13), (5, 17), (7, 20)), ()),
        ],
    )
    def test_faces_that_cut_it_off_are_named_but_top_and_bottom(
        self, slices: tuple[tuple[int, int], ...], faces: tuple[str, ...]
    ) -> None:
        whole = volume(box(self.SHAPE, *slices))
        for orientation in ("RAS", "LPS", "SAR", "PIL"):
            assert measure_body(whole.reoriented(orientation), thin_to_mm=FINE).touched_faces == faces

    def test_contact_below_one_percent_of_a_face_is_not_named(self) -> None:
        values = box(self.SHAPE, (3, 13), (5, 17), (7, 20))
        values[:3, 6:8, 8:11] = WATER  # 6 of 24 * 28 voxels: 0.9 %
        assert measure_body(volume(values), thin_to_mm=FINE).touched_faces == ()
        values[:3, 6:8, 8:12] = WATER  # 8 voxels: 1.2 %
        assert measure_body(volume(values), thin_to_mm=FINE).touched_faces == ("left",)


class TestFlat:
    @pytest.mark.parametrize("modality", ["CT", "MR"])
    def test_single_value_has_no_body(self, modality: str) -> None:
        body = measure_body(volume(np.full((4, 5, 6), 7.0, np.float32), modality=modality), thin_to_mm=FINE)
        assert body.is_flat
        assert (body.volume_ml, body.threshold, body.intensities) == (0.0, 7.0, {})
        assert body.touched_faces == ()
        assert body.full_mask().shape == (4, 5, 6)

    def test_object_smaller_than_what_is_clipped_is_found(self) -> None:
        values = np.zeros((20, 20, 20), np.float32)
        values[4:6, 7:9, 11:13] = 50.0  # 8 of 8000 voxels
        body = measure_body(volume(values, modality="MR"), thin_to_mm=FINE)
        assert not body.is_flat
        assert body.mask.sum() == 8

    def test_ct_is_flat_where_only_padding_differs(self) -> None:
        values = np.full((4, 5, 6), -1024.0, np.float32)
        values[0] = -3024.0  # outside of the reconstruction circle
        assert measure_body(volume(values), thin_to_mm=FINE).is_flat


class TestThinning:
    AFFINE = np.diag([0.5, 0.5, 1.0, 1.0])
    SHAPE = (121, 119, 61)

    def test_volume_agrees_with_the_full_grid_and_the_formula(self) -> None:
        head = volume(ball(25.0, self.SHAPE, self.AFFINE), self.AFFINE)
        full, thinned = (measure_body(head, thin_to_mm=spacing) for spacing in (FINE, 2.0))
        assert thinned.steps == (4, 4, 2)
        assert full.volume_ml == pytest.approx(4 / 3 * pi * 25.0**3 / 1000, rel=0.005)
        assert thinned.volume_ml == pytest.approx(full.volume_ml, rel=0.02)
        assert thinned.intensities == full.intensities

    def test_body_over_the_whole_field_of_view_has_its_volume_exactly(self) -> None:
        # 121, 119 and 61 are no multiples of the steps: the last thinned voxel stands for less.
        values = np.full(self.SHAPE, WATER, np.float32)
        values[60, 60, 30] = AIR  # a hole on the thinned grid, filled again
        body = measure_body(volume(values, self.AFFINE), thin_to_mm=2.0)
        assert body.volume_ml == pytest.approx(121 * 119 * 61 * 0.25 / 1000)
        assert body.full_mask().all()

    def test_full_mask_lies_on_the_source_grid(self) -> None:
        head = volume(ball(25.0, self.SHAPE, self.AFFINE), self.AFFINE)
        full, thinned = (measure_body(head, thin_to_mm=spacing).full_mask() for spacing in (FINE, 2.0))
        assert thinned.shape == full.shape == self.SHAPE
        assert 2 * (thinned & full).sum() / (thinned.sum() + full.sum()) > 0.94

    def test_coarser_image_than_asked_for_is_not_thinned(self) -> None:
        values = box((8, 9, 10), (2, 6), (2, 7), (2, 8))
        assert measure_body(volume(values, np.diag([4.0, 4.0, 5.0, 1.0])), thin_to_mm=2.0).steps == (1, 1, 1)


class TestIntensities:
    def test_by_hand(self) -> None:
        found = measure_intensities(np.arange(101, dtype=np.int16))
        # 0 ... 100: mean and median 50, variance (101^2 - 1) / 12 = 850.
        assert found == {
            "mean intensity": 50.0,
            "intensity SD": pytest.approx(850**0.5),
            "median intensity": 50.0,
            "1st percentile": 1.0,
            "99th percentile": 99.0,
        }

    def test_are_those_inside_the_body(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[3:13, 5:17, 7:10] = 50.0
        body = measure_body(volume(values), thin_to_mm=FINE)
        # 3 of 13 planes hold 50.
        assert body.intensities["mean intensity"] == pytest.approx(150 / 13)

    def test_fractions_of_air_and_bone(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[5:8, 7:10, 9:12] = AIR  # 27 of 1,560 voxels
        values[10:12, 7:10, 9:12] = 900.0  # 18
        air, bone = measure_body(volume(values), thin_to_mm=FINE).fractions(-500.0, 300.0)
        assert (air, bone) == (pytest.approx(27 / 1560), pytest.approx(18 / 1560))

    def test_metal_does_not_move_the_threshold_off_the_skin(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20))
        values[6:8, 8:10, 9:12] = 30000.0
        body = measure_body(volume(values), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(1.56)

    def test_bright_vessels_of_mr_do_not_move_it_either(self) -> None:
        values = box((20, 24, 28), (3, 13), (5, 17), (7, 20)) + 1100.0
        values[6:8, 8:10, 9:12] = 1e5
        body = measure_body(volume(values, modality="MR"), thin_to_mm=FINE)
        assert body.volume_ml == pytest.approx(1.56)
