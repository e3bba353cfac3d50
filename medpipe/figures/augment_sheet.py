"""Preview sheets of augmentation: an image and its copies side by side, in the same cuts and window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from medpipe.core.affine import Array
from medpipe.figures.canvas import BODY, MARK, MUTED, SMALL, TEXT, blank, text_width, write
from medpipe.figures.mosaic import visible_planes
from medpipe.figures.planes import Plane, View, closest_view
from medpipe.figures.tiles import Layout, Tile, draw_sheet
from medpipe.figures.windows import Window, choose_window, content_range, percentile_window

Pixels = npt.NDArray[Any]

_SHEET_WIDTH: Final = 1500
_MAX_TILE_WIDTH: Final = 380
_MIN_TILE_WIDTH: Final = 150
"""Narrower columns hold no words."""
_MAX_TILE_HEIGHT: Final = 420
_HEADER: Final = 26
_LINE: Final = 16
_PADDING: Final = 6
_NO_MARKS: Final = ("", "", "", "")


@dataclass(frozen=True)
class Cut:
    """Where one row of pictures is taken.

    Attributes:
        name: Plane and window, for the line below the pictures.
        take: From an image array, or a label map, to ``(rows, columns)``.
        extent: Width and height of a picture, in mm where ``is_metric``.
        is_metric: Whether a scale bar may be drawn.
        marks: Letters at the left, right, top and bottom edge.
        label: Written into each picture, such as its position.
    """

    name: str
    take: Callable[[Pixels], Pixels]
    extent: tuple[float, float]
    is_metric: bool = True
    marks: tuple[str, str, str, str] = _NO_MARKS
    label: str = ""


@dataclass(frozen=True, eq=False)
class Cuts:
    """The rows of a sheet, chosen on the original and the same for every copy.

    Attributes:
        rows: One a plane.
        window: Shown from black to white.
    """

    rows: tuple[Cut, ...]
    window: Window

    def column(
        self, title: str, lines: Sequence[str], array: Pixels, label_map: Pixels | None = None
    ) -> "Column":
        """Cut an image; the column holds its pictures alone, not the image."""
        pictures = tuple(self.window.apply(cut.take(array)) for cut in self.rows)
        outlines = None if label_map is None else tuple(np.array(cut.take(label_map)) for cut in self.rows)
        return Column(title, tuple(lines), pictures, outlines)


@dataclass(frozen=True, eq=False)
class Column:
    """One image of a sheet.

    Attributes:
        title: Such as ``"copy 1"``.
        lines: What was done to it.
        pictures: ``(rows, columns)`` uint8, one a cut.
        outlines: Label maps of the same shapes; None where there is none.
    """

    title: str
    lines: tuple[str, ...]
    pictures: tuple[npt.NDArray[np.uint8], ...]
    outlines: tuple[Pixels, ...] | None


def choose_cuts(
    array: Pixels,
    affine: Array,
    *,
    modality: str,
    label_map: Pixels | None = None,
    is_oriented: bool = True,
) -> Cuts:
    """Choose planes, slices and window of a volume: through its labels, else through what can be seen.

    Args:
        array: ``(I, J, K)`` values of the original; HU for CT.
        affine: 4x4, voxel index to RAS mm.
        modality: DICOM modality such as ``"CT"``; empty where not known.
        label_map: ``(I, J, K)`` integers; 0 is background.
        is_oriented: False where the file states no orientation.
    """
    view = closest_view(array, affine, is_oriented=is_oriented)
    window = choose_window(view, modality=modality)
    labels = None if label_map is None else closest_view(label_map, affine, is_oriented=is_oriented).array

    def row(plane: Plane) -> Cut:
        index = _slice_index(view, plane, window, labels)

        def take(other: Pixels) -> Pixels:
            return closest_view(other, affine, is_oriented=is_oriented).picture(plane, index)

        return Cut(
            name=f"{plane.name} - {window.text}",
            take=take,
            extent=view.extent_mm(plane),
            marks=view.marks(plane),
            label=view.position(plane, index),
        )

    return Cuts(tuple(row(plane) for plane in visible_planes(view)), window)


def planar_cuts(array: Pixels, *, pixel_spacing_mm: tuple[float, float] | None, is_calibrated: bool) -> Cuts:
    """Return the one row of a radiograph.

    Args:
        array: ``(I, J)`` values of the original, I along columns.
        pixel_spacing_mm: Along I and J; None where the file states none.
        is_calibrated: Whether the spacing holds in the patient: only then a scale bar is drawn.
    """
    window = percentile_window(array)
    width, height = (
        size * step for size, step in zip(array.shape, pixel_spacing_mm or (1.0, 1.0), strict=True)
    )
    is_metric = is_calibrated and pixel_spacing_mm is not None
    cut = Cut(f"as stored - {window.text}", lambda other: other.T, (width, height), is_metric=is_metric)
    return Cuts((cut,), window)


def draw_block(cuts: Cuts, columns: Sequence[Column], *, heading: str) -> Image.Image:
    """Draw the original and its copies side by side, what was done below each.

    Args:
        cuts: Where the pictures were taken.
        columns: The original first.
        heading: Of the block, such as the name of the study.
    """
    width = _tile_width(cuts, len(columns))
    bands = [
        _draw_row(cut, [_tile(column, number, cut) for column in columns], width)
        for number, cut in enumerate(cuts.rows)
    ]
    words = [_wrapped(column.lines, width) for column in columns]
    words_height = max(map(len, words)) * _LINE + 2 * _PADDING
    canvas = blank(
        max(band.width for band in bands),
        2 * _HEADER + sum(band.height for band in bands) + words_height,
    )
    write(canvas, (_PADDING, _PADDING), heading, fill=MUTED, size=BODY)
    top = _HEADER
    left = (canvas.width - _layout(cuts.rows[0], len(columns), width).size[0]) // 2
    corners = [left + _layout(cuts.rows[0], len(columns), width).corner(n)[0] for n in range(len(columns))]
    for x, column in zip(corners, columns, strict=True):
        write(canvas, (x + _PADDING, top + _PADDING), column.title, fill=MARK, size=BODY)
    top += _HEADER
    for band in bands:
        canvas.paste(band, (0, top))
        top += band.height
    for x, lines in zip(corners, words, strict=True):
        for number, line in enumerate(lines):
            write(canvas, (x + _PADDING, top + _PADDING + number * _LINE), line, fill=TEXT)
    return canvas


def stack_blocks(blocks: Sequence[Image.Image], *, notice: str) -> bytes:
    """Return blocks one above the other, and a line of notice, as PNG."""
    canvas = blank(max(block.width for block in blocks), sum(block.height for block in blocks) + _HEADER)
    top = 0
    for block in blocks:
        canvas.paste(block, (0, top))
        top += block.height
    write(canvas, (_PADDING, top + _PADDING), notice, fill=MUTED, size=SMALL)
    buffer = BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _slice_index(view: View, plane: Plane, window: Window, labels: Pixels | None) -> int:
    if labels is not None and labels.any():
        others = tuple(axis for axis in range(3) if axis != plane.normal)
        return int(np.argmax((labels > 0).sum(axis=others)))
    first, stop = content_range(view, plane, window)
    return (first + stop) // 2


def _tile_width(cuts: Cuts, num_columns: int) -> int:
    steepest = max(cut.extent[1] / cut.extent[0] for cut in cuts.rows)
    widest = min(_MAX_TILE_WIDTH, _SHEET_WIDTH // num_columns, round(_MAX_TILE_HEIGHT / steepest))
    return max(_MIN_TILE_WIDTH, widest)


def _layout(cut: Cut, num_columns: int, width: int) -> Layout:
    height = max(1, round(width * cut.extent[1] / cut.extent[0]))
    return Layout(num_columns, 1, num_columns, width, height)


def _tile(column: Column, number: int, cut: Cut) -> Tile:
    outlines = None if column.outlines is None else column.outlines[number]
    return Tile(column.pictures[number], cut.label, label_map=outlines)


def _draw_row(cut: Cut, tiles: Sequence[Tile], width: int) -> Image.Image:
    return draw_sheet(
        _layout(cut, len(tiles), width),
        tiles,
        marks=cut.marks,
        extent_mm=cut.extent if cut.is_metric else None,
        footer=cut.name,
    )


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
    """Break lines at spaces so that they fit a column; what continues is indented."""
    wrapped = []
    for line in lines:
        shown = ""
        for word in line.split():
            longer = f"{shown} {word}" if shown else word
            if shown.strip() and text_width(longer) > width - 2 * _PADDING:
                wrapped.append(shown)
                longer = f"  {word}"
            shown = longer
        wrapped.append(shown)
    return wrapped
