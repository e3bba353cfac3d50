"""Preprocessing of slices: order, plane, slabs, spacing and size, by hand-worked numbers."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from medpipe.core.errors import RefusedError
from medpipe.core.preprocessing import WindowScale
from medpipe.core.slice_preprocessing import HeaderWindow, SliceChannel, SlicePreprocessing
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.inference.slices import on_source, prepare_slices, slice_channels

BRAIN = SliceChannel(name="brain", intensity=WindowScale(low_hu=0, high_hu=80))
NO_WINDOW = torch.full((2,), torch.nan)
BONE = SliceChannel(name="bone", intensity=WindowScale(low_hu=-800, high_hu=2000))
# Columns of DICOM pixels run to the patient's left, rows to the back: LPS.
AXIAL = ((-1.0, 0.0), (0.0, -1.0), (0.0, 0.0))


def spec(**changes: Any) -> SlicePreprocessing:
    return SlicePreprocessing(**{"modality": "CT", "shape": (3, 4), "channels": (BRAIN,), **changes})


def stack(
    depths_mm: list[float], array: torch.Tensor | None = None, *, spacing_mm: float = 1.0, **changes: Any
) -> SliceStack:
    if array is None:
        array = torch.arange(len(depths_mm) * 12.0).reshape(len(depths_mm), 1, 3, 4)
    given = {
        "array": array,
        "in_plane_mm": np.array(AXIAL) * spacing_mm,
        "positions_mm": np.array([[10.0, 20.0, depth] for depth in depths_mm]),
        "thickness_mm": np.full(len(depths_mm), 5.0),
        "modality": "CT",
        "source": Source(kind=SourceKind.MEMORY),
    }
    return SliceStack(**{**given, **changes})


class TestOrder:
    def test_a_series_from_below_is_taken_as_it_is(self) -> None:
        series = stack([0.0, 4.0, 11.0])
        found = prepare_slices(series, spec())
        assert_close(found.values, series.array[:, 0])
        assert found.gaps_mm.tolist() == [0.0, 4.0, 7.0]
        assert found.members.tolist() == [0, 1, 2]

    def test_slices_from_above_are_turned_round_with_their_gaps(self) -> None:
        # I to the right and J to the back: the normal points down.
        downwards = np.array(((1.0, 0.0), (0.0, -1.0), (0.0, 0.0)))
        series = stack([11.0, 4.0, 0.0], in_plane_mm=downwards)
        found = prepare_slices(series, spec())
        assert found.gaps_mm.tolist() == [0.0, 4.0, 7.0]
        assert found.members.tolist() == [2, 1, 0]
        # The last of the series is the lowest; I is flipped to the left.
        assert_close(found.values[0], series.array[2, 0].flip(0))

    def test_exchanged_axes_of_the_plane_are_exchanged(self) -> None:
        # I to the back, J to the right: after the exchange I points to the right and is flipped.
        exchanged = np.array(((0.0, 1.0), (-1.0, 0.0), (0.0, 0.0)))
        series = stack([0.0, 5.0], torch.arange(24.0).reshape(2, 1, 4, 3), in_plane_mm=exchanged)
        found = prepare_slices(series, spec())
        assert_close(found.values, series.array[:, 0].transpose(1, 2).flip(1))

    def test_gantry_tilt_is_still_axial(self) -> None:
        tilt = np.radians(25.0)
        plane = np.array(((-1.0, 0.0), (0.0, -np.cos(tilt)), (0.0, -np.sin(tilt))))
        found = prepare_slices(stack([0.0, 5.0], in_plane_mm=plane), spec())
        assert found.gaps_mm.tolist() == pytest.approx([0.0, 5.0 * np.cos(tilt)])

    def test_another_plane_is_refused(self) -> None:
        coronal = np.array(((-1.0, 0.0), (0.0, 0.0), (0.0, -1.0)))
        series = stack([0.0], in_plane_mm=coronal)
        with pytest.raises(RefusedError, match=r"towards S: found slices towards [AP]"):
            prepare_slices(series, spec())


class TestSlabs:
    def test_thin_slices_are_averaged(self) -> None:
        # Four of 1 mm to a slab of 4 mm; the last slab holds what is left.
        depths_mm = [float(depth) for depth in range(10)]
        found = prepare_slices(stack(depths_mm), spec(slab_mm=4.0))
        assert found.members.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
        assert found.gaps_mm.tolist() == [0.0, 4.0, 3.0]  # centres at 1.5, 5.5 and 8.5
        assert_close(found.values[2], torch.arange(12.0).reshape(3, 4) + 8.5 * 12)

    def test_thick_slices_are_kept(self) -> None:
        found = prepare_slices(stack([0.0, 4.0, 11.0]), spec(slab_mm=4.0))
        assert found.members.tolist() == [0, 1, 2]

    @given(
        gaps_mm=st.lists(st.floats(0.4, 9.0), min_size=1, max_size=40),
        slab_mm=st.floats(0.5, 8.0),
    )
    def test_every_slice_is_in_one_slab_and_slabs_are_in_order(
        self, gaps_mm: list[float], slab_mm: float
    ) -> None:
        depths_mm = [0.0, *np.cumsum(gaps_mm).tolist()]
        found = prepare_slices(stack(depths_mm), spec(slab_mm=slab_mm))
        steps = [after - before for before, after in pairwise(found.members.tolist())]
        assert set(steps) <= {0, 1}
        assert len(found.values) == found.members[-1] + 1 == len(found.gaps_mm)


class TestPlane:
    def test_middle_stays_where_it_is_cropped_or_filled(self) -> None:
        found = prepare_slices(stack([0.0]), spec(shape=(5, 2), fill=-1000.0))
        assert found.values[0].tolist() == [
            [-1000.0, -1000.0],
            [1.0, 2.0],
            [5.0, 6.0],
            [9.0, 10.0],
            [-1000.0, -1000.0],
        ]

    def test_coarser_pixels_are_averages(self) -> None:
        array = torch.zeros(1, 1, 8, 8)
        array[..., :4, :] = 100.0
        found = prepare_slices(stack([0.0], array, spacing_mm=0.5), spec(shape=(4, 4), pixel_mm=1.0))
        assert found.plane == (4, 4)
        assert found.values.mean().item() == pytest.approx(50.0, abs=1e-4)
        assert found.values[0, 0, 0].item() == pytest.approx(100.0, abs=1e-4)

    def test_the_order_in_memory_does_not_matter(self) -> None:
        array = torch.arange(2 * 9 * 8.0).reshape(2, 1, 9, 8).square()
        lying = array.mT.contiguous().mT  # as slices of DICOM do: columns first
        found, expected = (
            prepare_slices(stack([0.0, 5.0], values), spec(shape=(4, 5), pixel_mm=1.7))
            for values in (lying, array)
        )
        assert found.plane == expected.plane == (5, 5)
        assert_close(found.values, expected.values)

    def test_field_of_view_is_kept_where_pixels_do_not_divide_it(self) -> None:
        # 3 pixels of 1 mm become 4 of 0.75 where 0.8 is asked for.
        # Along J, 4 mm are 5 of 0.8.
        assert prepare_slices(stack([0.0]), spec(pixel_mm=0.8)).plane == (4, 5)

    @given(
        first=st.sampled_from([-1.0, 1.0]), second=st.sampled_from([-1.0, 1.0]), is_exchanged=st.booleans()
    )
    def test_a_map_of_the_network_comes_back_onto_the_slice(
        self, first: float, second: float, is_exchanged: bool
    ) -> None:
        plane = np.array(((first, 0.0), (0.0, second), (0.0, 0.0)))
        plane = plane[:, ::-1] if is_exchanged else plane
        series = stack([0.0], torch.arange(12.0).reshape(1, 1, 3, 4), in_plane_mm=plane)
        prepared = prepare_slices(series, spec(shape=(6, 7)))
        assert_close(on_source(prepared.values[0], prepared, series), series.array[0, 0])


class TestChannels:
    def test_each_window_is_a_channel(self) -> None:
        values = torch.tensor([-1000.0, 40.0, 2000.0]).reshape(1, 1, 3)
        found = slice_channels(values, spec(channels=(BRAIN, BONE)), NO_WINDOW)
        assert_close(found, torch.tensor([[[[0.0, 0.5, 1.0]], [[0.0, 0.3, 1.0]]]]))

    def test_the_window_of_the_header_is_one_too(self) -> None:
        own = SliceChannel(name="own", intensity=HeaderWindow(low_hu=0, high_hu=100))
        values = torch.tensor([-10.0, 50.0, 200.0]).reshape(1, 1, 3).repeat(2, 1, 1)
        found = slice_channels(values, spec(channels=(own,)), torch.tensor([0.0, 200.0]))
        assert_close(found[0, 0, 0], torch.tensor([0.0, 0.25, 1.0]))
        # A window for each slice, and the usual one where a header states none.
        windows = torch.tensor([[-10.0, 50.0], [torch.nan, torch.nan]])
        found = slice_channels(values, spec(channels=(own,)), windows)
        assert_close(found[:, 0, 0], torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.5, 1.0]]))

    def test_the_window_of_the_header_is_prepared(self) -> None:
        header = {"window_centre": "40.5\\600", "window_width": "81\\2000"}
        source = Source(kind=SourceKind.MEMORY, acquisition=header)
        assert prepare_slices(replace(stack([0.0]), source=source), spec()).window.tolist() == [0.0, 80.0]
        assert prepare_slices(stack([0.0]), spec()).window.isnan().all()


class TestRefusals:
    def test_another_modality(self) -> None:
        with pytest.raises(RefusedError, match="slices of CT: found MR"):
            prepare_slices(stack([0.0], modality="MR"), spec())

    def test_more_slices_than_the_model_takes(self) -> None:
        with pytest.raises(RefusedError, match="which is 2: found 3 slices"):
            prepare_slices(stack([0.0, 5.0, 10.0]), spec(max_slices=2))

    def test_many_thin_slices_are_few_slabs(self) -> None:
        depths_mm = [0.5 * number for number in range(40)]
        assert len(prepare_slices(stack(depths_mm), spec(max_slices=5, slab_mm=4.0)).values) == 5
