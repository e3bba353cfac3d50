"""Overlays: what is cut out, at which scale, and where outlines lie."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.canvas import OUTLINES
from medpipe.figures.overlay import draw_overlays
from medpipe.figures.tiles import FOOTER

AMBER = np.array(OUTLINES[0][1])


def draw(labels: np.ndarray, affine: np.ndarray | None = None) -> tuple[Figure, ...]:
    image = np.random.default_rng(0).normal(100.0, 5.0, labels.shape).astype(np.float32)
    affine = np.eye(4) if affine is None else affine
    return draw_overlays(image, affine, labels, names={1: "spot"}, title="Left spot", suffix="image_left")


def pixels(figure: Figure) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(figure.webp)).convert("RGB")).astype(int)[:-FOOTER]


def amber(picture: np.ndarray) -> np.ndarray:
    """Return which pixels are those of an outline; WebP keeps colours roughly."""
    return np.abs(picture - AMBER).sum(axis=2) < 150


def box_labels(shape: tuple[int, int, int] = (60, 70, 80)) -> np.ndarray:
    labels = np.zeros(shape, dtype=np.uint8)
    labels[20:30, 30:50, 40:48] = 1  # 10 x 20 x 8 voxels
    return labels


def test_outlines_lie_in_the_lower_row_alone() -> None:
    planes, _ = draw(box_labels())
    picture = pixels(planes)
    upper, lower = np.split(picture[: picture.shape[0] // 2 * 2], 2)
    assert amber(upper)[:, 40:-40].mean() < 0.001  # the marks are amber too
    assert amber(lower)[:, 40:-40].mean() > 0.003


def test_planes_share_one_scale() -> None:
    planes, _ = draw(box_labels())
    picture = pixels(planes)
    size = picture.shape[1] // 3
    # The axial tile shows 10 x 20 mm: its outline is twice as high as wide, twice the coronal one's 10 x 8.
    spans = []
    for column in range(2):
        tile = amber(picture[size + 40 : -40, column * size + 40 : (column + 1) * size - 40])
        rows, columns = np.flatnonzero(tile.any(axis=1)), np.flatnonzero(tile.any(axis=0))
        spans.append((np.ptp(columns) + 1, np.ptp(rows) + 1))
    (axial_width, axial_height), (coronal_width, coronal_height) = spans
    assert axial_height / axial_width == pytest.approx(2.0, rel=0.1)
    assert coronal_width == pytest.approx(axial_width, rel=0.1)
    assert coronal_height / coronal_width == pytest.approx(0.8, rel=0.1)


def test_slices_run_across_the_longest_axis_from_end_to_end() -> None:
    _, slices = draw(box_labels())
    assert (slices.name, slices.title) == ("slices-image_left", "Left spot, coronal slices")
    assert "of 20 coronal slices" in slices.caption or "all 20 coronal slices" in slices.caption
    assert "Outlines: spot (amber)." in slices.caption


def test_structure_at_the_edge_and_thick_slices_are_drawn() -> None:
    labels = np.zeros((40, 40, 6), dtype=np.uint8)
    labels[:8, 30:, :3] = 1
    figures = draw(labels, np.diag([1.0, 1.0, 6.0, 1.0]))
    assert [figure.name for figure in figures] == ["overlay-image_left", "slices-image_left"]


def test_empty_label_map_gives_no_figure() -> None:
    assert draw(np.zeros((20, 20, 20), dtype=np.uint8)) == ()


def test_equal_input_gives_equal_bytes() -> None:
    assert draw(box_labels()) == draw(box_labels())


def test_label_map_of_another_grid_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"found \(4, 5, 6\), expected \(4, 5, 7\)"):
        draw_overlays(
            np.zeros((4, 5, 7)), np.eye(4), np.ones((4, 5, 6), dtype=int), names={}, title="x", suffix="x"
        )
