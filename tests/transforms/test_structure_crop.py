"""Crops hold the turned box of a structure, on the grid of the head."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.affine import apply_affine
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.source import GeometryNote, SopReference, Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.simulate.phantom import all_orientations, random_oblique_affine
from medpipe.transforms.registration import Registration
from medpipe.transforms.structure_crop import (
    STRUCTURES,
    Crop,
    PairedStructure,
    crop_structure,
    paste_labels,
)

HIPPOCAMPUS = STRUCTURES["hippocampus"]
IDENTITY = Registration(np.eye(4), 1.0, 1.0, 0.0)


def head(affine: np.ndarray, shape: tuple[int, int, int] = (100, 110, 90)) -> Volume:
    """Return a head whose voxels are all different."""
    array = torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(1, *shape)
    instances = tuple(SopReference(sop_class_uid="1.2", sop_instance_uid=f"1.{k}") for k in range(shape[2]))
    return Volume(array, affine, "MR", Source(kind=SourceKind.DICOM, instances=instances))


def first_voxel(crop: Crop, whole: Volume) -> list[int]:
    """Return the voxel of the head where a crop begins."""
    return whole.grid.to_voxels(crop.volume.affine[:3, 3]).round(6).astype(int).tolist()  # type: ignore[no-any-return]


def straight_head() -> Volume:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-100.0, -120.0, -80.0)
    return head(affine)


def test_box_of_the_right_side_is_cut_where_the_template_says() -> None:
    crop = crop_structure(straight_head(), IDENTITY, HIPPOCAMPUS, Laterality.RIGHT, margin_mm=0.0)
    # x: 26 -+ 18 = 8 to 44 mm; (8 + 100) / 2 + 0.5 = 54.5 to 72.5 voxel edges: voxels 54 to 72.
    # y: -45 to 5 mm: edges 38.0 to 63.0; z: -33 to 3 mm: edges 24.0 to 42.0.
    assert first_voxel(crop, straight_head()) == [54, 38, 24]
    assert tuple(crop.volume.array.shape) == (1, 19, 25, 18)
    assert not crop.is_cut


def test_margin_grows_every_side() -> None:
    bare, wide = (
        crop_structure(straight_head(), IDENTITY, HIPPOCAMPUS, Laterality.LEFT, margin_mm=margin)
        for margin in (0.0, 6.0)
    )
    assert [
        a - b for a, b in zip(*(first_voxel(crop, straight_head()) for crop in (bare, wide)), strict=True)
    ] == [3, 3, 3]
    assert [w - b for w, b in zip(wide.volume.grid.shape, bare.volume.grid.shape, strict=True)] == [6, 6, 6]


def test_crop_keeps_voxels_places_and_slices() -> None:
    whole = straight_head()
    crop = crop_structure(whole, IDENTITY, HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0)
    size_i, size_j, size_k = crop.volume.grid.shape
    i, j, k = first_voxel(crop, whole)
    part = whole.array[:, i : i + size_i, j : j + size_j, k : k + size_k]
    assert torch.equal(crop.volume.array, part)
    assert [item.sop_instance_uid for item in crop.volume.source.instances] == [
        f"1.{index}" for index in range(k, k + size_k)
    ]


def test_checks_and_notes_stay_with_the_head() -> None:
    note = GeometryNote(code=Code.W_TILT, message="tilted")
    whole = replace(straight_head(), source=straight_head().source.with_notes(note))
    crop = crop_structure(whole, IDENTITY, HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0)
    assert (crop.volume.source.notes, crop.volume.source.checks) == ((), ())


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SAR"])
def test_labels_of_a_crop_go_back_to_their_voxels(codes: str) -> None:
    whole = straight_head().reoriented(codes)
    crop = crop_structure(whole, IDENTITY, HIPPOCAMPUS, Laterality.RIGHT, margin_mm=2.0)
    labels = (np.arange(crop.volume.array[0].numel()) % 3).reshape(crop.volume.grid.shape).astype(np.uint8)
    pasted = paste_labels(labels, crop.volume.grid, whole.grid)
    assert pasted.shape == whole.grid.shape
    assert pasted.dtype == np.uint8
    first, last = np.argwhere(pasted).min(axis=0), np.argwhere(labels).min(axis=0)
    assert (first - last).tolist() == first_voxel(crop, whole)
    assert pasted.sum() == labels.sum()
    np.testing.assert_allclose(
        apply_affine(whole.affine, np.argwhere(pasted == 2)),
        apply_affine(crop.volume.affine, np.argwhere(labels == 2)),
        atol=1e-9,
    )


def test_labels_of_another_grid_go_to_the_nearest_voxels() -> None:
    whole = straight_head().grid
    fine = Grid((8, 8, 8), whole.affine @ np.diag([0.5, 0.5, 0.5, 1.0]))
    labels = np.zeros((8, 8, 8), dtype=np.uint8)
    labels[4:] = 3
    pasted = paste_labels(labels, fine, whole)
    # Voxel i of the head lies at voxel 2 i of the crop.
    assert np.argwhere(pasted)[:, 0].tolist() == [2] * 16 + [3] * 16
    assert set(np.unique(pasted)) == {0, 3}


def test_labels_on_the_grid_of_the_head_stay_what_they_are() -> None:
    whole = head(np.eye(4), (5, 6, 7)).grid
    labels = np.ones(whole.shape, np.uint8)
    assert paste_labels(labels, whole, whole) is labels


def test_labels_beyond_the_head_are_left_out() -> None:
    whole = straight_head().grid
    outside = whole.affine.copy()
    outside[0, 3] -= 4.0
    pasted = paste_labels(np.ones((3, 3, 3), dtype=np.uint8), Grid((3, 3, 3), outside), whole)
    assert np.argwhere(pasted)[:, 0].max() == 0  # the last of three voxels is the head's first
    far = whole.affine.copy()
    far[0, 3] += 900.0
    assert not paste_labels(np.ones((3, 3, 3), dtype=np.uint8), Grid((3, 3, 3), far), whole).any()


@pytest.mark.parametrize("side", [Laterality.LEFT, Laterality.RIGHT])
def test_every_orientation_gives_the_same_part_of_the_head(side: Laterality) -> None:
    whole = straight_head()
    first = crop_structure(whole, IDENTITY, HIPPOCAMPUS, side, margin_mm=1.3).volume
    for codes in all_orientations():
        crop = crop_structure(whole.reoriented(codes), IDENTITY, HIPPOCAMPUS, side, margin_mm=1.3).volume
        again = crop.reoriented("RAS")
        assert torch.equal(again.array, first.array)
        np.testing.assert_allclose(again.affine, first.affine, atol=1e-9)


@given(seed=st.integers(0, 10_000))
def test_all_eight_corners_lie_inside_an_oblique_crop(seed: int) -> None:
    # A head turned anywhere in space, its middle at the middle of the box.
    affine = random_oblique_affine(seed)
    shape = tuple(int(np.ceil(120.0 / step)) for step in np.linalg.norm(affine[:3, :3], axis=0))
    middle = (np.array(shape) - 1) / 2
    affine[:3, 3] = np.array(HIPPOCAMPUS.centre_on(Laterality.RIGHT)) - affine[:3, :3] @ middle
    crop = crop_structure(head(affine, shape), IDENTITY, HIPPOCAMPUS, Laterality.RIGHT, margin_mm=0.0)  # type: ignore[arg-type]
    assert not crop.is_cut
    half = np.array(HIPPOCAMPUS.size_mm) / 2
    corners = HIPPOCAMPUS.centre_mm + half * [*product((-1, 1), repeat=3)]
    voxels = crop.volume.grid.to_voxels(corners)
    assert (voxels >= -0.5 - 1e-9).all()
    assert (voxels <= np.array(crop.volume.grid.shape) - 0.5 + 1e-9).all()


def test_scale_of_the_head_moves_the_box_but_does_not_resize_it() -> None:
    small = Registration(np.diag([0.8, 0.8, 0.8, 1.0]), 1.0, 0.512, 0.0)
    crop = crop_structure(straight_head(), small, HIPPOCAMPUS, Laterality.RIGHT, margin_mm=0.0)
    # x: 0.8 * 26 = 20.8 mm; 2.8 to 38.8 mm: edges 51.9 to 69.9.
    assert first_voxel(crop, straight_head())[0] == 51
    assert crop.volume.grid.shape[0] == 19


def test_box_beyond_the_scan_is_cut() -> None:
    affine = straight_head().affine.copy()
    affine[2, 3] = -20.0
    crop = crop_structure(head(affine), IDENTITY, HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0)
    assert crop.is_cut
    assert first_voxel(crop, head(affine))[2] == 0


def test_structure_outside_of_the_scan_is_refused() -> None:
    affine = straight_head().affine.copy()
    affine[2, 3] = 0.0
    with pytest.raises(
        RefusedError, match=r"left lies outside .* -26, -20, -15 mm in a scan of 200 x 220 x 180"
    ):
        crop_structure(head(affine), IDENTITY, HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0)


def test_sides_mirror_each_other() -> None:
    structure = PairedStructure((10.0, 1.0, 2.0), (4.0, 4.0, 4.0))
    assert structure.centre_on(Laterality.RIGHT) == (10.0, 1.0, 2.0)
    assert structure.centre_on(Laterality.LEFT) == (-10.0, 1.0, 2.0)
