"""Contact sheets: every slice in physical order, uneven gaps visible."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.contact_sheet import draw_contact_sheet

AXIAL_LPS = np.array([[-1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])


def positions(*heights_mm: float) -> np.ndarray:
    return np.array([[0.0, 0.0, height] for height in heights_mm])


def orange(figure: Figure) -> int:
    """Return the number of pixels far redder than blue."""
    pixels = np.asarray(Image.open(BytesIO(figure.webp)).convert("RGB")).astype(int)
    return int((pixels[..., 0] - pixels[..., 2] > 60).sum())


def test_uneven_gaps_are_stated_and_drawn_in_orange() -> None:
    slices = np.zeros((6, 32, 32))
    even = draw_contact_sheet(slices, AXIAL_LPS, positions(0, 4, 8, 12, 16, 20), modality="CT")
    uneven = draw_contact_sheet(slices, AXIAL_LPS, positions(0, 4, 8, 12, 19, 26), modality="CT")
    assert "gaps are 4.0 mm" in even.caption
    assert "gaps run from 4.0 to 7.0 mm" in uneven.caption
    # The amber marks of the sides are in both.
    assert orange(uneven) > orange(even) + 200


def test_descending_stack_gives_the_picture_of_the_ascending_one() -> None:
    slices = np.random.default_rng(1).normal(size=(5, 20, 24))
    up = positions(0, 5, 10, 15, 22)
    ascending = draw_contact_sheet(slices, AXIAL_LPS, up, modality="MR")
    descending = draw_contact_sheet(slices[::-1], AXIAL_LPS, up[::-1], modality="MR")
    assert ascending == descending


def test_tilted_gaps_are_measured_along_the_normal() -> None:
    tilt = np.radians(20)
    in_plane = np.array([[-1.0, 0.0], [0.0, -np.cos(tilt)], [0.0, np.sin(tilt)]])
    figure = draw_contact_sheet(np.zeros((3, 8, 8)), in_plane, positions(0, 5, 10), modality="CT")
    # 5 mm along the table is 5 cos 20 = 4.7 mm along the normal.
    assert "gaps are 4.7 mm" in figure.caption


def test_single_slice_is_drawn() -> None:
    figure = draw_contact_sheet(np.zeros((1, 8, 8)), AXIAL_LPS, positions(3), modality="CT")
    assert "All 1 slices" in figure.caption


def test_many_slices_are_thinned_out() -> None:
    stack = positions(*range(300))
    figure = draw_contact_sheet(np.zeros((300, 16, 16)), AXIAL_LPS, stack, modality="CT")
    assert "40 of 300 slices" in figure.caption


def test_positions_must_belong_to_the_slices() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 8, 8\) and \(3, 3\)"):
        draw_contact_sheet(np.zeros((2, 8, 8)), AXIAL_LPS, positions(0, 1, 2), modality="CT")


def test_coronal_stacks_are_drawn_from_the_front() -> None:
    coronal = np.array([[-1.0, 0.0], [0.0, 0.0], [0.0, -1.0]])
    stack = np.array([[0.0, depth, 0.0] for depth in (0, 4, 8, 15)])
    figure = draw_contact_sheet(np.zeros((4, 8, 9)), coronal, stack, modality="MR")
    assert "coronal" in figure.alt
    assert "Seen from the front" in figure.caption
    assert "gaps run from 4.0 to 7.0 mm" in figure.caption
