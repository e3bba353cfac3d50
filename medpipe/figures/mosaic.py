"""Mosaics of a volume: axial, coronal and sagittal slices on one picture each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.canvas import OUTLINES, to_webp
from medpipe.figures.planes import PLANES, Plane, View, closest_view, side_sentence
from medpipe.figures.tiles import Tile, draw_sheet, lay_out
from medpipe.figures.windows import Window, choose_window, content_range

_WANTED: Final = 18
"""Tiles a mosaic aims at: enough to see what is there, large enough to see it."""

_MIN_VOXELS: Final = 4
"""A plane that is thinner than this in a direction shows nothing."""


def draw_mosaics(
    array: npt.NDArray[Any],
    affine: Array,
    *,
    modality: str,
    window: tuple[float, float] | None = None,
    contours: npt.NDArray[np.integer[Any]] | None = None,
    names: Mapping[int, str] = MappingProxyType({}),
    is_oriented: bool = True,
) -> tuple[Figure, ...]:
    """Draw a volume in three planes, radiological convention, true to its spacing.

    Args:
        array: ``(I, J, K)`` values; HU for CT.
        affine: 4x4, voxel index to RAS mm. Oblique and sheared volumes are drawn along their voxel axes,
            named by the closest patient axes, with a note in the caption.
        modality: DICOM modality such as ``"CT"``; empty where not known.
        window: Lowest and highest value shown; chosen by content where None.
        contours: ``(I, J, K)`` label map whose outlines are drawn; 0 is background.
        names: The structure of each label value, for the caption.
        is_oriented: False where the file states no orientation: edges are marked ``"?"``.

    Returns:
        One figure a plane; planes fewer than 4 voxels across are left out, as in a volume of few slices.

    Raises:
        ShapeError: ``array`` has not three axes, or ``contours`` lies on another grid.
    """
    view = closest_view(array, affine, is_oriented=is_oriented)
    outlines = None
    if contours is not None:
        if contours.shape != array.shape:
            raise ShapeError(
                "The label map does not lie on the image's grid",
                found=f"{contours.shape}, expected {array.shape}",
            )
        outlines = closest_view(contours, affine, is_oriented=is_oriented)
    chosen = choose_window(view, modality=modality, window=window)
    legend = "" if outlines is None else outline_legend(outlines.array, names)
    return tuple(_draw_plane(view, plane, chosen, outlines, legend) for plane in visible_planes(view))


def visible_planes(view: View) -> tuple[Plane, ...]:
    """Return the planes whose pictures show something; at least one."""
    shape = view.array.shape
    visible = [plane for plane in PLANES if min(shape[plane.across], shape[plane.up]) >= _MIN_VOXELS]
    return tuple(visible) or (max(PLANES, key=lambda plane: shape[plane.across] * shape[plane.up]),)


def _draw_plane(view: View, plane: Plane, window: Window, outlines: View | None, legend: str) -> Figure:
    extent_mm = view.extent_mm(plane)
    num_slices = view.array.shape[plane.normal]
    first, stop = content_range(view, plane, window)
    layout = lay_out(stop - first, extent_mm, wanted=_WANTED)
    tiles = [
        Tile(
            window.apply(view.picture(plane, index)),
            view.position(plane, index),
            label_map=None if outlines is None else outlines.picture(plane, index),
        )
        for index in (first + offset for offset in layout.indices(stop - first))
    ]
    canvas = draw_sheet(
        layout, tiles, marks=view.marks(plane), extent_mm=extent_mm, footer=f"{plane.name} - {window.text}"
    )
    name = plane.name.capitalize() if view.is_oriented else f"Array axis {plane.normal + 1}"
    title = f"{name} slices"
    caption = _caption(view, plane, window, layout.count, legend)
    alt = f"Mosaic of {layout.count} of {num_slices} {plane.name} slices, {window.text}."
    return Figure(f"mosaic_{plane.name}", title, caption, to_webp(canvas), alt)


def _caption(view: View, plane: Plane, window: Window, count: int, legend: str) -> str:
    num_slices = view.array.shape[plane.normal]
    shown = f"All {num_slices} slices" if count == num_slices > 1 else f"{count} of {num_slices} slices"
    spread = "" if count == num_slices else ", evenly chosen where there is something to see"
    sentences = [f"{shown}{spread}; {window.text}."]
    if view.is_oriented:
        sentences += [
            side_sentence(plane),
            "Positions are those of the slice centre, in mm from the origin of the scan.",
        ]
    sentences += [view.axes_note(), legend]
    return " ".join(filter(None, sentences))


def outline_legend(label_map: npt.NDArray[Any], names: Mapping[int, str]) -> str:
    """Return which colour outlines which structure of a label map; empty where there is none."""
    labels = [int(label) for label in np.unique(label_map) if label > 0]
    shown = [
        f"{names.get(label, f'label {label}')} ({OUTLINES[(label - 1) % len(OUTLINES)][0]})"
        for label in labels
    ]
    return f"Outlines: {', '.join(shown)}." if shown else ""
