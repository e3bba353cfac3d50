"""Sheets of tiles: how many slices fit, and how each is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from medpipe.figures.canvas import (
    BODY,
    MARK,
    MUTED,
    OUTLINES,
    TEXT,
    WARN,
    WIDTH,
    blank,
    text_width,
    write,
)
from medpipe.figures.evidence import with_evidence

GAP: Final = 3
_MAX_HEIGHT: Final = 640
_MAX_TILE: Final = 420
_MIN_TILE: Final = 12
_MAX_COLUMNS: Final = 12
_MIN_WIDTH: Final = 560
"""Narrower sheets would cut the line of text below the tiles."""
FOOTER: Final = 34
_INSET: Final = 4
_TITLE_LINE: Final = 19
_LETTERED_TILE: Final = 60
"""Lower tiles carry the marks at their left and right edge only."""

_BAR_SHARE: Final = 0.2
"""The scale bar is at most this share of the sheet's width."""
_BAR_LENGTHS_MM: Final = (200, 100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True)
class Layout:
    """A grid of equal tiles.

    Attributes:
        columns: Tiles in a row.
        rows: Rows of tiles.
        count: Tiles drawn, at most ``columns * rows``.
        tile_width: In pixels.
        tile_height: In pixels; the ratio to the width is that of the extents in mm.
        title_height: Pixels above each row of tiles, for their titles.
    """

    columns: int
    rows: int
    count: int
    tile_width: int
    tile_height: int
    title_height: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet in pixels, footer excluded."""
        return (
            self.columns * (self.tile_width + GAP) - GAP,
            self.rows * (self.title_height + self.tile_height + GAP) - GAP,
        )

    def corner(self, number: int) -> tuple[int, int]:
        """Return the upper left pixel of a tile within the sheet."""
        row, column = divmod(number, self.columns)
        top = row * (self.title_height + self.tile_height + GAP) + self.title_height
        return column * (self.tile_width + GAP), top

    def indices(self, num_slices: int) -> list[int]:
        """Return the slices shown: evenly spread, each in the middle of its share."""
        return [int((tile + 0.5) * num_slices / self.count) for tile in range(self.count)]


@dataclass(frozen=True, eq=False)
class Tile:
    """A slice to draw.

    Attributes:
        pixels: ``(rows, columns)`` uint8.
        label: Written in the lower left corner.
        warning: Written above the label; empty for none.
        label_map: Integers of the same shape as ``pixels``, whose outlines are drawn.
        marks: Letters at its edges, where they differ from those of the sheet.
        title: Lines written above it, where the layout leaves room; they may run over the next tile.
        evidence: ``(h, w)`` in [0, 1], of any size, washed over the pixels.
    """

    pixels: npt.NDArray[np.uint8]
    label: str
    warning: str = ""
    label_map: npt.NDArray[Any] | None = None
    marks: tuple[str, str, str, str] | None = None
    title: tuple[str, ...] = ()
    evidence: npt.NDArray[Any] | None = None


def lay_out(num_slices: int, extent_mm: tuple[float, float], *, wanted: int) -> Layout:
    """Choose the largest tiles with which ``wanted`` slices fit; the last row is filled where it can be.

    Args:
        num_slices: Slices that there are.
        extent_mm: Width and height of a slice in mm.
        wanted: Tiles to aim at.
    """
    ratio = extent_mm[1] / extent_mm[0]
    wanted = min(wanted, num_slices)
    for columns in range(1, min(_MAX_COLUMNS, wanted) + 1):
        rows = ceil(wanted / columns)
        width, height = _tile_size(columns, ratio)
        if rows * (height + GAP) - GAP <= _MAX_HEIGHT:
            return Layout(columns, rows, min(num_slices, columns * rows), width, height)
    columns = min(_MAX_COLUMNS, wanted)
    width, height = _tile_size(columns, ratio)
    rows = max(1, (_MAX_HEIGHT + GAP) // (height + GAP))
    if rows == 1:
        height = min(height, _MAX_HEIGHT)
        width = max(_MIN_TILE, round(height / ratio))
    return Layout(columns, rows, min(num_slices, columns * rows), width, height)


def draw_sheet(
    layout: Layout,
    tiles: Sequence[Tile],
    *,
    marks: tuple[str, str, str, str],
    extent_mm: tuple[float, float] | None,
    footer: str,
    below: int = 0,
) -> Image.Image:
    """Draw tiles with marks, and a footer with a scale bar.

    Args:
        layout: Where the tiles go.
        tiles: As many as ``layout.count``.
        marks: Letters at the left, right, top and bottom edge of each tile; empty ones are left out.
        extent_mm: Width and height of a tile in mm; None where lengths are not known: no scale bar.
        footer: A line of text beside the scale bar.
        below: Pixels left free between the tiles and the footer.
    """
    width, height = layout.size
    full_width = max(width, _MIN_WIDTH)
    canvas = blank(full_width, height + below + FOOTER)
    left = (full_width - width) // 2
    for number, tile in enumerate(tiles):
        x, y = layout.corner(number)
        picture = _tile_picture(tile, layout)
        canvas.paste(picture, (left + x, y))
        _letter(canvas, (left + x, y), layout, tile, tile.marks or marks)
        for line, text in enumerate(tile.title):
            at = y - layout.title_height + _INSET + line * _TITLE_LINE
            write(canvas, (left + x + _INSET, at), text, fill=MUTED if line else TEXT, size=BODY)
    middle = height + below + FOOTER // 2
    if extent_mm is not None:
        draw_scale_bar(canvas, layout.tile_width / extent_mm[0], middle)
    write(canvas, (full_width - 8, middle), footer, fill=MUTED, anchor="rm")
    return canvas


def draw_scale_bar(canvas: Image.Image, pixels_per_mm: float, middle: int) -> None:
    """Draw a bar of a round length at the left edge, centred on row ``middle``."""
    room = canvas.width * _BAR_SHARE
    length_mm = next(
        (length for length in _BAR_LENGTHS_MM if length * pixels_per_mm <= room), _BAR_LENGTHS_MM[-1]
    )
    start, end = 8.0, 8.0 + length_mm * pixels_per_mm
    draw = ImageDraw.Draw(canvas)
    draw.line([(start, middle), (end, middle)], fill=TEXT, width=2)
    for x in (start, end):
        draw.line([(x, middle - 5), (x, middle + 5)], fill=TEXT, width=2)
    write(canvas, (end + 8, middle), f"{length_mm} mm", size=BODY, anchor="lm")


def _tile_size(columns: int, ratio: float) -> tuple[int, int]:
    width = min(_MAX_TILE, (WIDTH + GAP) // columns - GAP)
    return width, max(_MIN_TILE, round(width * ratio))


def _tile_picture(tile: Tile, layout: Layout) -> Image.Image:
    size = (layout.tile_width, layout.tile_height)
    grey = Image.fromarray(np.ascontiguousarray(tile.pixels)).resize(size, Image.Resampling.BILINEAR)
    has_outlines = tile.label_map is not None and tile.label_map.any()
    if not has_outlines and tile.evidence is None:
        return grey
    pixels = np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
    if tile.evidence is not None:
        pixels = with_evidence(pixels, tile.evidence)
    if tile.label_map is not None:
        _paint_outlines(pixels, tile.label_map)
    return Image.fromarray(pixels)


def _paint_outlines(pixels: npt.NDArray[np.uint8], label_map: npt.NDArray[Any]) -> None:
    """Colour the outermost pixels of each label, after nearest-neighbour scaling."""
    height, width = pixels.shape[:2]
    rows = (np.arange(height) + 0.5) * label_map.shape[0] / height
    columns = (np.arange(width) + 0.5) * label_map.shape[1] / width
    labels = np.pad(label_map[rows.astype(int)][:, columns.astype(int)], 1)
    inner = labels[1:-1, 1:-1]
    edge = np.zeros(inner.shape, dtype=bool)
    for neighbour in (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:]):
        edge |= inner != neighbour
    edge &= inner > 0
    palette = np.array([colour for _, colour in OUTLINES], dtype=np.uint8)
    pixels[edge] = palette[(inner[edge].astype(np.int64) - 1) % len(palette)]


def _letter(
    canvas: Image.Image,
    corner: tuple[int, int],
    layout: Layout,
    tile: Tile,
    marks: tuple[str, str, str, str],
) -> None:
    x, y = corner
    width, height = layout.tile_width, layout.tile_height
    left, right, top, bottom = marks
    write(canvas, (x + _INSET, y + height / 2), left, fill=MARK, anchor="lm")
    write(canvas, (x + width - _INSET, y + height / 2), right, fill=MARK, anchor="rm")
    is_low = height < _LETTERED_TILE
    # In a low tile the text in the corners would lie upon the left mark, so it stands beside it.
    start = x + _INSET + (text_width(left) + _INSET if is_low else 0)
    write(canvas, (start, y + height - _INSET), tile.label, anchor="ld")
    write(canvas, (start, y + _INSET), tile.warning, fill=WARN, anchor="la")
    if is_low:
        return
    # Where text in the corner reaches the middle, the mark is left out: its opposite says the same.
    free = width / 2 - 3 * _INSET
    if text_width(tile.warning) < free:
        write(canvas, (x + width / 2, y + _INSET), top, fill=MARK, anchor="ma")
    if text_width(tile.label) < free:
        write(canvas, (x + width / 2, y + height - _INSET), bottom, fill=MARK, anchor="md")
