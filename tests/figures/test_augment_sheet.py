"""The preview sheet shows every image in the same cuts and window, and says what was done."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medpipe.figures.augment_sheet import choose_cuts, draw_block, planar_cuts, stack_blocks
from medpipe.figures.canvas import OUTLINES

AFFINE = np.diag([-1.0, 1.5, 2.0, 1.0])


def ramps() -> np.ndarray:
    """Return 20 x 16 x 12 voxels that differ everywhere."""
    return np.arange(20 * 16 * 12, dtype=np.float32).reshape(20, 16, 12)


def test_cuts_go_through_the_largest_section_of_the_labels() -> None:
    labels = np.zeros((20, 16, 12), dtype=np.uint8)
    labels[3:8, 10:12, 5:9] = 1
    labels[4, 2:12, 5] = 1
    cuts = choose_cuts(ramps(), AFFINE, modality="MR", label_map=labels)
    assert [cut.name.split(" ")[0] for cut in cuts.rows] == ["axial", "coronal", "sagittal"]
    column = cuts.column("original", (), ramps(), labels)
    assert column.outlines is not None
    # Axial slice 5: the block of 5 x 2 and eight more of the bar; the picture is (front-back, left-right).
    assert column.outlines[0].shape == (16, 20)
    assert int(column.outlines[0].sum()) == 18


def test_copies_are_shown_in_the_window_of_the_original() -> None:
    cuts = choose_cuts(ramps(), AFFINE, modality="MR")
    original, darker = (cuts.column("", (), ramps() - offset) for offset in (0, 500))
    assert all(
        dark.mean() < light.mean() for dark, light in zip(darker.pictures, original.pictures, strict=True)
    )


def test_block_holds_one_picture_a_plane_and_column() -> None:
    labels = np.zeros((20, 16, 12), dtype=np.uint8)
    labels[5:12, 5:12, 3:9] = 1
    cuts = choose_cuts(ramps(), AFFINE, modality="MR", label_map=labels)
    columns = [cuts.column(f"copy {n}", ("turned", "noise"), ramps(), labels) for n in range(3)]
    one, three = (draw_block(cuts, columns[:count], heading="study") for count in (1, 3))
    amber = np.array(OUTLINES[0][1])
    num_outlined = [int((np.asarray(block) == amber).all(axis=-1).sum()) for block in (one, three)]
    assert num_outlined[0] > 100
    assert num_outlined[1] == 3 * num_outlined[0]


@pytest.mark.parametrize("spacing", [None, (0.2, 0.2)])
def test_radiographs_are_one_row(spacing: tuple[float, float] | None) -> None:
    pixels = ramps()[:, :, 0]
    cuts = planar_cuts(pixels, pixel_spacing_mm=spacing, is_calibrated=spacing is not None)
    assert [cut.is_metric for cut in cuts.rows] == [spacing is not None]
    column = cuts.column("original", (), pixels)
    assert column.pictures[0].shape == (16, 20)
    assert draw_block(cuts, [column, column], heading="study").width > 300


def test_blocks_are_stacked_as_png() -> None:
    blocks = [Image.new("RGB", (300, 50)), Image.new("RGB", (200, 70))]
    with Image.open(BytesIO(stack_blocks(blocks, notice="not for diagnosis"))) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width == 300
        assert sheet.height > 120
