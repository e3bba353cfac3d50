"""Pictures of a segmented structure, large: three planes through it, and slices along it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.core.grid import Grid
from medpipe.figures.canvas import WIDTH, to_webp
from medpipe.figures.mosaic import outline_legend, visible_planes
from medpipe.figures.planes import PLANES, Plane, View, closest_view, side_sentence
from medpipe.figures.tiles import GAP, Layout, Tile, draw_sheet, lay_out
from medpipe.figures.windows import Window, percentile_window

_MARGIN_MM: Final = 9.0
"""Tissue shown around the structure: enough to judge its border by."""

_WANTED: Final = 18
_LARGEST_TILE: Final = 420


@dataclass(frozen=True, eq=False)
class _Zoom:
    """The part of an image around a structure, and the window that suits it."""

    image: View
    labels: View
    window: Window

    def best_slice(self, plane: Plane) -> int:
        """Return the slice that shows most of the structure."""
        others = tuple(axis for axis in range(3) if axis != plane.normal)
        return int(np.argmax((self.labels.array > 0).sum(axis=others)))

    def tile(self, plane: Plane, index: int, *, outlined: bool = True) -> Tile:
        """Return one slice with or without outlines."""
        return Tile(
            self.window.apply(self.image.picture(plane, index)),
            self.image.position(plane, index),
            label_map=self.labels.picture(plane, index) if outlined else None,
            marks=self.image.marks(plane),
        )


def draw_overlays(
    array: npt.NDArray[Any],
    affine: Array,
    label_map: npt.NDArray[np.integer[Any]],
    *,
    names: Mapping[int, str],
    title: str,
    suffix: str,
    is_oriented: bool = True,
) -> tuple[Figure, ...]:
    """Draw a structure as large as fits, the image alone beside the image with outlines.

    Args:
        array: ``(I, J, K)`` values.
        affine: 4x4, voxel index to RAS mm.
        label_map: ``(I, J, K)`` integers up to 255; 0 is background.
        names: The structure of each label value, for the caption.
        title: What is shown, such as ``"Left hippocampus"``.
        suffix: Tells the figures from those of other structures.
        is_oriented: False where the file states no orientation: edges are marked ``"?"``.

    Returns:
        ``overlay-SUFFIX``, the three planes through the largest cross-sections, and ``slices-SUFFIX``,
        slices across the structure's longest axis from end to end; none where the label map is empty.

    Raises:
        ShapeError: The label map lies on another grid.
    """
    if label_map.shape != array.shape:
        raise ShapeError(
            "The label map does not lie on the image's grid",
            found=f"{label_map.shape}, expected {array.shape}",
        )
    if not label_map.any():
        return ()
    zoom = _zoomed(
        closest_view(array, affine, is_oriented=is_oriented),
        closest_view(label_map, affine, is_oriented=is_oriented),
    )
    legend = outline_legend(zoom.labels.array, names)
    return (
        _draw_planes(zoom, f"overlay-{suffix}", title, legend),
        _draw_slices(zoom, f"slices-{suffix}", title, legend),
    )


def _zoomed(image: View, labels: View) -> _Zoom:
    """Cut both to the structure and a margin."""
    where = np.argwhere(labels.array > 0)
    margin = np.ceil(_MARGIN_MM / np.array(image.grid.spacing)).astype(int)
    lower = np.maximum(where.min(axis=0) - margin, 0)
    upper = np.minimum(where.max(axis=0) + 1 + margin, image.grid.shape)
    box = tuple(slice(*ends) for ends in zip(lower, upper, strict=True))
    affine = image.grid.affine.copy()
    affine[:3, 3] = image.grid.to_world_mm(lower)
    values, seen = image.array[box], labels.array[box]
    i, j, k = values.shape
    grid = Grid((i, j, k), affine)
    return _Zoom(
        View(values, grid, image.is_oriented),
        View(seen, grid, image.is_oriented),
        _window_near(values, seen),
    )


def _window_near(values: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Window:
    """Return a window for the tissue about the structure; air in a corner would take its contrast."""
    inside = np.argwhere(labels > 0)
    box = tuple(slice(*ends) for ends in zip(inside.min(axis=0), inside.max(axis=0) + 1, strict=True))
    return replace(percentile_window(values[box]), name="1st to 99th percentile about the structure")


def _draw_planes(zoom: _Zoom, name: str, title: str, legend: str) -> Figure:
    """Draw the planes side by side at one scale: the image above, with outlines below."""
    planes = visible_planes(zoom.image)
    extents = [zoom.image.extent_mm(plane) for plane in planes]
    size_mm = max(max(extent) for extent in extents)
    size = min(_LARGEST_TILE, (WIDTH + GAP) // len(planes) - GAP)
    tiles = [
        _squared(zoom.tile(plane, zoom.best_slice(plane), outlined=outlined), extent, size / size_mm, size)
        for outlined in (False, True)
        for plane, extent in zip(planes, extents, strict=True)
    ]
    canvas = draw_sheet(
        Layout(len(planes), 2, len(tiles), size, size),
        tiles,
        marks=zoom.image.marks(planes[0]),
        extent_mm=(size_mm, size_mm),
        footer=f"{', '.join(plane.name for plane in planes)} - {zoom.window.text}",
    )
    sentences = [
        f"Each plane where it shows most of the structure: the image above, with outlines below; "
        f"{zoom.window.text}.",
        legend,
        *_conventions(zoom.image),
    ]
    alt = f"{title} in {len(planes)} planes, without and with outlines."
    return Figure(name, title, " ".join(filter(None, sentences)), to_webp(canvas), alt)


def _draw_slices(zoom: _Zoom, name: str, title: str, legend: str) -> Figure:
    """Draw slices across the structure's longest axis, those that it reaches."""
    where = np.argwhere(zoom.labels.array > 0)
    first, last = where.min(axis=0), where.max(axis=0)
    lengths = (last - first + 1) * zoom.image.grid.spacing
    planes = visible_planes(zoom.image)
    plane = max(planes, key=lambda plane: float(lengths[plane.normal]))
    start, count = int(first[plane.normal]), int(last[plane.normal] - first[plane.normal]) + 1
    extent_mm = zoom.image.extent_mm(plane)
    layout = lay_out(count, extent_mm, wanted=_WANTED)
    canvas = draw_sheet(
        layout,
        [zoom.tile(plane, start + offset) for offset in layout.indices(count)],
        marks=zoom.image.marks(plane),
        extent_mm=extent_mm,
        footer=f"{plane.name} - {zoom.window.text}",
    )
    shown = f"all {count}" if layout.count == count else f"{layout.count} of {count}"
    caption = f"From end to end across its longest axis, {shown} {plane.name} slices. {legend}"
    alt = f"{layout.count} {plane.name} slices of {title} with outlines."
    return Figure(name, f"{title}, {plane.name} slices", caption, to_webp(canvas), alt)


def _conventions(view: View) -> list[str]:
    if not view.is_oriented:
        return [view.axes_note()]
    axial, _, sagittal = PLANES
    return [side_sentence(axial), f"Sagittal: {side_sentence(sagittal)}", view.axes_note()]


def _squared(tile: Tile, extent_mm: tuple[float, float], pixels_per_mm: float, size: int) -> Tile:
    """Scale a tile to pixels and centre it on a black square, so that all planes have one scale."""
    width, height = (max(1, round(length * pixels_per_mm)) for length in extent_mm)
    left, top = (size - width) // 2, (size - height) // 2
    frame = ((top, size - height - top), (left, size - width - left))

    def scaled(values: npt.NDArray[Any], method: Image.Resampling) -> npt.NDArray[np.uint8]:
        picture = Image.fromarray(np.ascontiguousarray(values.astype(np.uint8))).resize(
            (width, height), method
        )
        return np.pad(np.asarray(picture), frame)

    outlines = None if tile.label_map is None else scaled(tile.label_map, Image.Resampling.NEAREST)
    pixels = scaled(tile.pixels, Image.Resampling.BICUBIC)
    return Tile(pixels, tile.label, label_map=outlines, marks=tile.marks)
