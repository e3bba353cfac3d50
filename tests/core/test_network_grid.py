"""A network's voxels over those of an image, along one axis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.network_grid import NetworkAxis, SpacingGrid

sizes = st.integers(1, 60)
spacings = st.floats(0.3, 6.0)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        # Ten voxels of 2 mm to 3 mm: 20 / 3 = 6.7 give 7 over the whole field of view, from face to face.
        (SpacingGrid.FIELD_OF_VIEW, NetworkAxis(10, 7, 0.0, 10)),
        # Centres lie 0 to 18 mm: at 0, 3 ... 18, seven. The first voxel begins half of 0.5 voxels before.
        (SpacingGrid.FIRST_VOXEL, NetworkAxis(10, 7, -0.25, 10.5)),
        # Seven of 1.5 voxels; the centre of the first is that of the first of seven that divide ten: 5 / 7.
        (SpacingGrid.EXTENT, NetworkAxis(10, 7, 5 / 7 - 0.75, 10.5)),
    ],
)
def test_voxels_lie_as_the_grid_says(grid: SpacingGrid, expected: NetworkAxis) -> None:
    found = NetworkAxis.of_spacing(grid, 10, 2.0, 3.0)
    assert (found.outer, found.inner) == (expected.outer, expected.inner)
    assert (found.start, found.extent) == pytest.approx((expected.start, expected.extent))


@pytest.mark.parametrize("grid", SpacingGrid)
def test_same_spacing_changes_nothing(grid: SpacingGrid) -> None:
    assert NetworkAxis.of_spacing(grid, 9, 1.25, 1.25).is_identity


@pytest.mark.parametrize("grid", [SpacingGrid.FIRST_VOXEL, SpacingGrid.EXTENT])
def test_spacing_that_differs_by_its_rounding_alone_does_not_drift(grid: SpacingGrid) -> None:
    assert NetworkAxis.of_spacing(grid, 700, 0.9999, 1.0).is_identity
    assert not NetworkAxis.of_spacing(grid, 700, 0.998, 1.0).is_identity


@given(sizes, spacings, spacings)
def test_first_voxel_keeps_its_centre_and_spacing_is_exact(size: int, old: float, new: float) -> None:
    axis = NetworkAxis.of_spacing(SpacingGrid.FIRST_VOXEL, size, old, new)
    assert axis.start + axis.step / 2 == pytest.approx(0.5)
    assert axis.step * old == pytest.approx(new, abs=1e-3)
    # The last centre is the nearest to the image's last one.
    last = axis.start + (axis.inner - 0.5) * axis.step
    assert abs(last - (size - 0.5)) <= axis.step / 2 + 1e-9


@given(st.sampled_from(SpacingGrid), sizes, spacings, spacings)
def test_reversed_axis_mirrors_all_centres(grid: SpacingGrid, size: int, old: float, new: float) -> None:
    axis = NetworkAxis.of_spacing(grid, size, old, new)
    turned = axis.reversed()
    first, last = axis.start + axis.step / 2, turned.start + turned.extent - turned.step / 2
    assert first == pytest.approx(size - last)
    assert turned.is_divided is axis.is_divided
