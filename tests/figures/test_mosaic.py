"""Mosaics: what is drawn, how it is scaled, and that equal input gives equal bytes."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.mosaic import draw_mosaics
from medpipe.figures.tiles import FOOTER, lay_out


def pixels(figure: Figure) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(figure.webp)).convert("RGB")).astype(int)


def sphere(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> np.ndarray:
    """Return a ball of 100 HU in air, 60 mm across, in the middle."""
    grid = np.indices(shape).astype(float)
    for axis in range(3):
        grid[axis] = (grid[axis] - (shape[axis] - 1) / 2) * spacing[axis]
    return np.where((grid**2).sum(axis=0) < 30.0**2, 100.0, -1000.0).astype(np.float32)


def test_three_planes_are_drawn_with_captions_and_alternatives() -> None:
    figures = draw_mosaics(np.zeros((20, 24, 28)), np.eye(4), modality="MR")
    assert [figure.name for figure in figures] == ["mosaic_axial", "mosaic_coronal", "mosaic_sagittal"]
    for figure in figures:
        assert Image.open(BytesIO(figure.webp)).format == "WEBP"
        assert "slices" in figure.alt
    assert "patient's left is on the right of the picture" in figures[0].caption


def test_equal_volumes_give_equal_bytes() -> None:
    volume = np.random.default_rng(0).normal(size=(30, 31, 32))
    first, second = (draw_mosaics(volume, np.eye(4), modality="MR") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 5.0), (5.0, 1.0, 0.7)])
def test_a_ball_stays_round_under_any_spacing(spacing: tuple[float, float, float]) -> None:
    shape = tuple(round(80 / step) for step in spacing)
    volume = sphere(shape, spacing)  # type: ignore[arg-type]  # a tuple of three
    for figure in draw_mosaics(volume, np.diag([*spacing, 1.0]), modality="CT"):
        bright = pixels(figure)[:-FOOTER].min(axis=2) > 100
        widest = max(max(_runs(row), default=0) for row in bright)
        tallest = max(max(_runs(column), default=0) for column in bright.T)
        # Sampling can add or take one voxel at each end: at most 10 of 60 mm.
        assert widest / tallest == pytest.approx(1.0, abs=0.17)
        assert widest > 80


def _runs(present: np.ndarray) -> list[int]:
    """Return the lengths of the stretches that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], present.astype(int), [0]])))
    return [int(end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def test_bright_corner_appears_upper_right_in_an_lps_scan() -> None:
    # LPS: index (last, 0, last) lies left, front, head: upper right of the axial picture.
    volume = np.zeros((40, 40, 40), dtype=np.float32)
    volume[28:, :12, :] = 1000.0
    figure = draw_mosaics(volume, np.diag([-1.0, -1.0, 1.0, 1.0]), modality="MR")[0]
    layout = lay_out(40, (40.0, 40.0), wanted=18)
    tile = pixels(figure)[: layout.tile_height, : layout.tile_width].mean(axis=2)
    half = layout.tile_height // 2, layout.tile_width // 2
    quarters = {
        "upper left": tile[: half[0], : half[1]].mean(),
        "upper right": tile[: half[0], half[1] :].mean(),
        "lower left": tile[half[0] :, : half[1]].mean(),
        "lower right": tile[half[0] :, half[1] :].mean(),
    }
    assert max(quarters, key=quarters.__getitem__) == "upper right"


def test_few_slices_leave_out_planes_that_show_nothing() -> None:
    figures = draw_mosaics(np.zeros((64, 64, 2)), np.diag([1, 1, 5, 1]), modality="CT")
    assert [figure.name for figure in figures] == ["mosaic_axial"]
    assert "All 2 slices; " in figures[0].caption


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (500, 5, 5), (5, 5, 500), (1, 200, 200)])
def test_odd_shapes_are_drawn(shape: tuple[int, int, int]) -> None:
    assert draw_mosaics(np.ones(shape), np.eye(4), modality="")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1e30])
def test_constant_and_non_finite_volumes_are_drawn(value: float) -> None:
    assert len(draw_mosaics(np.full((9, 9, 9), value), np.eye(4), modality="MR")) == 3


def test_window_is_stated_and_the_head_gets_the_brain_window() -> None:
    head = sphere((90, 90, 60), (1.0, 1.0, 1.0))
    shell = np.linalg.norm(np.indices(head.shape).T - [44.5, 44.5, 29.5], axis=-1).T
    head[(shell > 26) & (shell < 30)] = 1000.0
    assert "brain window, 0 to 80 HU" in draw_mosaics(head, np.eye(4), modality="CT")[0].caption
    body = sphere((90, 90, 60), (1.0, 1.0, 1.0))
    assert "soft-tissue window, -160 to 240 HU" in draw_mosaics(body, np.eye(4), modality="CT")[0].caption
    asked = draw_mosaics(body, np.eye(4), modality="CT", window=(-1350.0, 150.0))
    assert "-1350 to 150 HU" in asked[0].caption


def test_outlines_are_coloured_by_label() -> None:
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    labels[10:30, 10:30, 10:30] = 1
    plain = draw_mosaics(np.zeros((40, 40, 40)), np.eye(4), modality="MR")[0]
    outlined = draw_mosaics(np.zeros((40, 40, 40)), np.eye(4), modality="MR", contours=labels)[0]
    # Amber: red far above blue. Marks are amber too, so the two pictures are compared.
    amber = [(image[..., 0] - image[..., 2] > 40).sum() for image in (pixels(plain), pixels(outlined))]
    assert amber[1] > amber[0] + 500
    assert "Outlines: label 1 (amber)." in outlined.caption


def test_outlines_are_named() -> None:
    labels = np.zeros((9, 9, 9), dtype=np.uint8)
    labels[2:4], labels[5:7] = 1, 2
    (axial, *_) = draw_mosaics(
        np.zeros((9, 9, 9)), np.eye(4), modality="MR", contours=labels, names={1: "body", 2: "left lung"}
    )
    assert "Outlines: body (amber), left lung (cyan)." in axial.caption


def test_outlines_of_another_grid_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"found \(3, 3, 4\), expected \(3, 3, 3\)"):
        draw_mosaics(
            np.zeros((3, 3, 3)), np.eye(4), modality="", contours=np.zeros((3, 3, 4), dtype=np.uint8)
        )


def test_no_form_draws_no_sides() -> None:
    figure = draw_mosaics(np.zeros((9, 9, 9)), np.eye(4), modality="MR", is_oriented=False)[0]
    assert figure.title == "Array axis 3 slices"
    assert "patient's left" not in figure.caption
