"""The contact sheet of a slice stack: every slice with its position, and where gaps lie."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.canvas import ACCENT, MUTED, RULE, TEXT, WARN, to_webp, write
from medpipe.figures.planes import Plane, position_text, side_sentence
from medpipe.figures.stack import stack_places
from medpipe.figures.tiles import FOOTER, Tile, draw_sheet, lay_out
from medpipe.figures.windows import choose_window

_WANTED: Final = 40
_UNEVEN: Final = 0.1
"""A gap that differs from the most usual one by more than this share is pointed out."""

_RULER: Final = 58
_RULER_MARGIN: Final = 24


def draw_contact_sheet(
    array: npt.NDArray[Any],
    in_plane_mm: Array,
    positions_mm: Array,
    *,
    modality: str,
    window: tuple[float, float] | None = None,
) -> Figure:
    """Draw the slices of a stack in physical order, with a ruler of their positions.

    Args:
        array: ``(S, I, J)`` values; HU for CT.
        in_plane_mm: ``(3, 2)`` RAS mm: the step to the next voxel along I, and along J.
        positions_mm: ``(S, 3)`` RAS mm: the centre of voxel (0, 0) of each slice.
        modality: DICOM modality such as ``"CT"``.
        window: Lowest and highest value shown; chosen by content where None.

    Returns:
        One figure; above 40 slices, evenly chosen ones, while the ruler shows all.

    Raises:
        ShapeError: The arrays do not belong together.
    """
    if array.ndim != 3 or positions_mm.shape != (len(array), 3):
        raise ShapeError(
            "A contact sheet needs (S, I, J) voxels and (S, 3) positions",
            found=f"{array.shape} and {positions_mm.shape}",
        )
    places = stack_places(in_plane_mm, positions_mm)
    view, plane = places.view(array), places.plane
    positions = np.sort(places.places_mm)
    gaps = np.diff(positions)
    is_uneven = np.abs(gaps - np.median(gaps)) > _UNEVEN * np.median(gaps) if gaps.size else gaps > 0

    chosen = choose_window(view, modality=modality, window=window)
    extent_mm = view.extent_mm(plane)
    layout = lay_out(len(positions), extent_mm, wanted=_WANTED)
    shows_all = layout.count == len(positions)
    tiles = [
        Tile(
            chosen.apply(view.picture(plane, index)),
            position_text(float(positions[index]), plane),
            warning=f"gap {gaps[index - 1]:.1f} mm" if shows_all and index and is_uneven[index - 1] else "",
        )
        for index in layout.indices(len(positions))
    ]
    canvas = draw_sheet(
        layout,
        tiles,
        marks=view.marks(plane),
        extent_mm=extent_mm,
        footer=f"{plane.name} - {chosen.text}",
        below=_RULER,
    )
    _draw_ruler(canvas, positions, is_uneven, plane)
    count = f"All {len(positions)}" if shows_all else f"{layout.count} of {len(positions)}"
    caption = (
        f"{count} slices in physical order; {chosen.text}. {side_sentence(plane)} The ruler shows where each "
        f"slice lies along the normal of the slices{_gap_clause(gaps)}. {view.axes_note()}"
    ).strip()
    alt = f"Contact sheet of {layout.count} of {len(positions)} {plane.name} slices, {chosen.text}."
    return Figure("contact_sheet", "Slices and their positions", caption, to_webp(canvas), alt)


def _gap_clause(gaps: Array) -> str:
    if not gaps.size:
        return ""
    low, high = f"{gaps.min():.1f}", f"{gaps.max():.1f}"
    return f"; gaps are {low} mm" if low == high else f"; gaps run from {low} to {high} mm"


def _draw_ruler(
    canvas: Image.Image, positions: Array, is_uneven: npt.NDArray[np.bool_], plane: Plane
) -> None:
    """Draw a line with a tick at each slice above the footer; uneven gaps stand out."""
    draw = ImageDraw.Draw(canvas)
    top = canvas.height - FOOTER - _RULER
    line = top + 22
    length = max(float(positions[-1] - positions[0]), 1e-6)
    scale = (canvas.width - 2 * _RULER_MARGIN) / length
    ticks = [_RULER_MARGIN + float(position - positions[0]) * scale for position in positions]
    draw.line([(ticks[0], line), (ticks[-1], line)], fill=RULE, width=2)
    for start, end, uneven in zip(ticks, ticks[1:], is_uneven, strict=False):
        if uneven:
            draw.line([(start, line), (end, line)], fill=WARN, width=2)
    for tick in ticks:
        draw.line([(tick, line - 7), (tick, line + 7)], fill=ACCENT, width=2)
    write(canvas, (ticks[0], line + 14), position_text(float(positions[0]), plane), fill=TEXT)
    if len(positions) > 1:
        write(
            canvas, (ticks[-1], line + 14), position_text(float(positions[-1]), plane), fill=TEXT, anchor="ra"
        )
        middle = (
            "position of each slice, uneven gaps in orange" if is_uneven.any() else "position of each slice"
        )
        write(canvas, (canvas.width / 2, line + 14), middle, fill=MUTED, anchor="ma")
