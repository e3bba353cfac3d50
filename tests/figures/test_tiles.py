"""Layout of tiles: shapes follow the extent in mm, slices are spread evenly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.figures.canvas import WIDTH, text_width
from medpipe.figures.tiles import Layout, Tile, draw_sheet, lay_out


@given(st.integers(1, 500), st.floats(1, 1000), st.floats(1, 1000), st.integers(1, 60))
def test_tiles_fit_the_sheet_and_slices_are_used_once(
    num_slices: int, width_mm: float, height_mm: float, wanted: int
) -> None:
    layout = lay_out(num_slices, (width_mm, height_mm), wanted=wanted)
    indices = layout.indices(num_slices)
    assert layout.size[0] <= WIDTH
    assert len(indices) == layout.count <= layout.columns * layout.rows
    assert indices == sorted(set(indices))
    assert 0 <= indices[0] <= indices[-1] < num_slices


@given(st.floats(50, 500), st.floats(50, 500))
def test_tile_has_the_proportions_of_the_slice(width_mm: float, height_mm: float) -> None:
    layout = lay_out(100, (width_mm, height_mm), wanted=18)
    # Width and height are whole pixels: half a pixel of width is up to half the ratio in height.
    ratio = height_mm / width_mm
    assert layout.tile_height == pytest.approx(layout.tile_width * ratio, abs=1 + ratio / 2)


def test_slices_are_the_middles_of_equal_shares() -> None:
    layout = lay_out(100, (100.0, 100.0), wanted=4)
    # Four shares of 25: their middles are 12.5, 37.5, 62.5 and 87.5.
    assert layout.indices(100) == [12, 37, 62, 87]


def test_label_of_a_low_tile_leaves_its_left_mark_free() -> None:
    layout = Layout(columns=1, rows=1, count=1, tile_width=420, tile_height=34)

    def drawn(label: str) -> np.ndarray:
        tile = Tile(np.zeros((34, 420), dtype=np.uint8), label)
        sheet = draw_sheet(layout, [tile], marks=("R", "L", "S", "I"), extent_mm=None, footer="")
        return np.asarray(sheet)[:34]

    # The tile is centred on the narrowest sheet, 560 pixels: it begins at 70, the mark at 74.
    end = 74 + round(text_width("R"))
    bare, labelled = drawn(""), drawn("A 123.4 mm")
    assert bare[:, 74:end].any()
    np.testing.assert_array_equal(labelled[:, :end], bare[:, :end])
    assert (labelled[:, end:] != bare[:, end:]).any()


def test_titles_take_room_above_each_row() -> None:
    plain = Layout(columns=2, rows=2, count=4, tile_width=100, tile_height=80)
    titled = Layout(columns=2, rows=2, count=4, tile_width=100, tile_height=80, title_height=30)
    # A gap of 3 pixels between tiles.
    assert [plain.corner(number) for number in range(4)] == [(0, 0), (103, 0), (0, 83), (103, 83)]
    assert [titled.corner(number) for number in range(4)] == [(0, 30), (103, 30), (0, 143), (103, 143)]
    assert (plain.size, titled.size) == ((203, 163), (203, 223))


def test_titles_are_written_above_their_tile() -> None:
    layout = Layout(columns=1, rows=1, count=1, tile_width=560, tile_height=80, title_height=46)
    sheets = [
        draw_sheet(
            layout,
            [Tile(np.full((8, 8), 90, dtype=np.uint8), "", title=title)],
            marks=("", "", "", ""),
            extent_mm=None,
            footer="",
        )
        for title in ((), ("Bleed", "slice 3"))
    ]
    before, after = (np.asarray(sheet) for sheet in sheets)
    changed = np.flatnonzero((before != after).any(axis=(1, 2)))
    assert 0 < changed.min() <= changed.max() < 46
