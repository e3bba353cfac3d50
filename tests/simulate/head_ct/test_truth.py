"""The truth of a slice is what its pixels show: read again from the difference of two scans."""

from dataclasses import replace

import numpy as np
import pytest

from medpipe.core.affine import apply_affine
from medpipe.simulate.head_ct.bleed import BleedKind
from medpipe.simulate.head_ct.head import Head
from medpipe.simulate.head_ct.head_grid import HEAD_GRID
from medpipe.simulate.head_ct.mass_effect import MASS_EFFECT_MM
from medpipe.simulate.head_ct.plan import HeadPlan
from medpipe.simulate.head_ct.studies import HeadStudy, study_of
from medpipe.simulate.head_ct.truth import LABELS, VISIBLE_MM2, VISIBLE_RISE_HU, truth_of


@pytest.fixture(scope="module")
def study(bleeding: HeadPlan) -> HeadStudy:
    return study_of(bleeding, pixel_mm=2.0)


def test_labels_are_named_in_their_order() -> None:
    assert LABELS == (
        "intracerebral_haemorrhage",
        "intraventricular_haemorrhage",
        "subarachnoid_haemorrhage",
        "mass_effect",
    )


def test_all_four_are_seen_in_some_slices_and_not_in_others(study: HeadStudy) -> None:
    assert all(study.truth.labels.values())
    assert not study.truth.visible.all(axis=0).any()
    assert not study.truth.visible[[0, -1]].any()


@pytest.mark.parametrize("label", ["ventricular", "subarachnoid"])
def test_slices_show_what_two_scans_differ_in(bleeding: HeadPlan, study: HeadStudy, label: str) -> None:
    without = study_of(replace(bleeding, **{label: None}), pixel_mm=2.0)
    rise = (study.image.array - without.image.array)[:, 0].numpy()
    column = ["haematoma", "ventricular", "subarachnoid"].index(label)
    # Images hold whole numbers: a rise is known within 1.
    surely, perhaps = (
        (rise >= VISIBLE_RISE_HU + step).sum(axis=(1, 2)) * 4.0 >= VISIBLE_MM2 for step in (1, -1)
    )
    visible = study.truth.visible[:, column]
    assert visible[surely].all()
    assert perhaps[visible].all()
    assert surely.sum() >= 3


def test_a_bleed_is_seen_in_the_slices_that_cut_it_and_in_no_other(
    bleeding: HeadPlan, bleeding_head: Head, study: HeadStudy
) -> None:
    bleed = bleeding_head.bleeds[BleedKind.INTRACEREBRAL]
    voxels = np.argwhere(bleed.share > 0.1) + [part.start for part in bleed.box]
    depth = apply_affine(bleeding.scan.pose, HEAD_GRID.to_world_mm(voxels))[:, 2]
    middles, half = bleeding.scan.table_mm, bleeding.scan.thickness_mm / 2
    seen = study.truth.visible[:, 0]
    cut = (depth.min() < middles + half) & (depth.max() > middles - half)
    assert not (seen & ~cut).any()
    deep_within = (depth.min() + 6 < middles) & (depth.max() - 6 > middles)
    assert seen[deep_within].all()


def test_the_bright_voxels_of_the_stack_are_centred_on_the_bleed(
    bleeding: HeadPlan, bleeding_head: Head, study: HeadStudy
) -> None:
    bleed = bleeding_head.bleeds[BleedKind.INTRACEREBRAL]
    voxels = np.argwhere(bleed.share > 0.5) + [part.start for part in bleed.box]
    places = apply_affine(bleeding.scan.pose, HEAD_GRID.to_world_mm(voxels))
    stack = study.image
    hu = stack.array[:, 0].numpy()
    found = np.argwhere((hu > 62.0) & (hu < 78.0))
    points = stack.positions_mm[found[:, 0]] + found[:, 1:] @ stack.in_plane_mm.T
    within = ((points > places.min(axis=0) - 4.0) & (points < places.max(axis=0) + 4.0)).all(axis=1)
    assert np.linalg.norm(points[within].mean(axis=0) - places.mean(axis=0)) < 1.5


def test_mass_effect_is_where_the_midline_is_displaced(study: HeadStudy) -> None:
    truth = study.truth
    np.testing.assert_array_equal(truth.visible[:, 3], truth.slice_shift_mm >= MASS_EFFECT_MM)
    assert truth.midline_shift_mm == truth.slice_shift_mm.max() > MASS_EFFECT_MM


def test_the_truth_does_not_depend_on_the_pixels(bleeding: HeadPlan, study: HeadStudy) -> None:
    coarse = study_of(bleeding, pixel_mm=5.0)
    np.testing.assert_array_equal(coarse.truth.visible, study.truth.visible)
    assert coarse.truth.volumes_ml == study.truth.volumes_ml


def test_what_is_not_scanned_is_not_seen_but_has_its_volume(bleeding: HeadPlan, bleeding_head: Head) -> None:
    above = bleeding.scan.table_mm > 70.0
    scan = replace(
        bleeding.scan,
        table_mm=bleeding.scan.table_mm[above],
        thickness_mm=bleeding.scan.thickness_mm[above],
    )
    truth = truth_of(bleeding_head, scan)
    assert truth.labels == dict.fromkeys(LABELS, False)
    assert truth.volumes_ml[BleedKind.INTRACEREBRAL] > 30.0


def test_a_healthy_head_shows_nothing(healthy: HeadPlan) -> None:
    truth = study_of(healthy, pixel_mm=5.0).truth
    assert not truth.visible.any()
    assert truth.midline_shift_mm == 0.0
    assert set(truth.volumes_ml.values()) == {0.0}
