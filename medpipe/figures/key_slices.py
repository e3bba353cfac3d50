"""Key slices: for each label the slice that speaks for it most, beside what the model weighed in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.core.findings import Label
from medpipe.figures.canvas import WIDTH, printable, shortened, to_webp
from medpipe.figures.evidence import EVIDENCE_NAME, OUTLINED
from medpipe.figures.planes import View, position_text, side_sentence
from medpipe.figures.stack import StackPlaces, stack_places
from medpipe.figures.tiles import GAP, Layout, Tile, draw_sheet
from medpipe.figures.windows import Window, choose_window

_COLUMNS: Final = 4
_LARGEST_TILE: Final = 420
_TITLE_HEIGHT: Final = 46
_LONGEST_NAME: Final = 40
"""Letters of a name that fit above the narrowest tile."""


@dataclass(frozen=True, eq=False)
class KeySlice:
    """A slice to show for a label.

    Attributes:
        label: With a probability for each slice, or with a share.
        index: Of the slice in the stack, from 0.
        evidence: ``(H, W)`` in [0, 1], axes as I and J of the slice, over the same field though it may be
            coarser; None where there is none.
        share: How much the slice counted for the study's answer, in [0, 1], where the label is none that
            slices have.
    """

    label: Label
    index: int
    evidence: npt.NDArray[Any] | None = None
    share: float | None = None


def highest_slices(values: Sequence[float], *, count: int = 1) -> tuple[int, ...]:
    """Return the slices of highest value, highest first; fewer where there are fewer."""
    return tuple(sorted(range(len(values)), key=lambda index: (-values[index], index))[:count])


def draw_key_slices(
    array: npt.NDArray[Any],
    in_plane_mm: Array,
    positions_mm: Array,
    keys: Sequence[KeySlice],
    *,
    modality: str,
    window: tuple[float, float] | None = None,
    suffix: str = "",
) -> Figure:
    """Draw each key slice plain, and beside it with its evidence where any key slice has some.

    Args:
        array: ``(S, I, J)`` values; HU for CT.
        in_plane_mm: ``(3, 2)`` RAS mm: the step to the next voxel along I, and along J.
        positions_mm: ``(S, 3)`` RAS mm: the centre of voxel (0, 0) of each slice.
        keys: In the order in which they are drawn.
        modality: DICOM modality such as ``"CT"``.
        window: Lowest and highest value shown; chosen by content where None.
        suffix: Tells the figure from those of other images or models; empty for none.

    Returns:
        ``key_slices`` or ``key_slices-SUFFIX``. Slices bear their number in the order of the stack, from 1.

    Raises:
        ShapeError: There is no key slice, one is not of this stack, or its evidence is not (H, W) in [0, 1].
    """
    if array.ndim != 3 or len(array) != len(positions_mm):
        raise ShapeError(
            "Key slices need (S, I, J) voxels and (S, 3) positions",
            found=f"{array.shape} and {positions_mm.shape}",
        )
    if not keys:
        raise ShapeError("A figure of key slices needs at least one", found="none")
    for key in keys:
        _check(key, len(array))
    places = stack_places(in_plane_mm, positions_mm)
    view = places.view(array)
    chosen = choose_window(view, modality=modality, window=window)
    has_evidence = any(key.evidence is not None for key in keys)
    extent_mm = view.extent_mm(places.plane)
    tiles = [tile for key in keys for tile in _tiles(key, places, view, chosen, has_evidence)]
    canvas = draw_sheet(
        _lay_out(len(tiles), extent_mm),
        tiles,
        marks=view.marks(places.plane),
        extent_mm=extent_mm,
        footer=f"{places.plane.name} - {chosen.text}",
    )
    name = f"key_slices-{suffix}" if suffix else "key_slices"
    caption = _caption(places, view, chosen, has_evidence)
    shown = "; ".join(f"{key.label.code.meaning}: {_place_text(key, places)}" for key in keys)
    beside = ", each plain and with evidence" if has_evidence else ""
    alt = f"{len(keys)} {places.plane.name} key slices{beside}. {shown}."
    return Figure(name, "Key slices", caption, to_webp(canvas), alt)


def _check(key: KeySlice, num_slices: int) -> None:
    is_of_stack = key.share is not None or len(key.label.slice_probabilities) == num_slices
    if not (is_of_stack and 0 <= key.index < num_slices):
        raise ShapeError(
            f"The key slice of {key.label.id!r} is not of this stack",
            found=f"slice {key.index} of {len(key.label.slice_probabilities)}, the stack has {num_slices}",
        )
    if key.evidence is None:
        return
    low, high = (float(key.evidence.min()), float(key.evidence.max())) if key.evidence.size else (0.0, 0.0)
    # Written so that NaN fails too.
    if key.evidence.ndim != 2 or not key.evidence.size or not (low >= 0.0 and high <= 1.0):
        raise ShapeError(
            f"The evidence for {key.label.id!r} is (H, W) in [0, 1]",
            found=f"shape {key.evidence.shape}, {low:g} to {high:g}",
        )


def _tiles(
    key: KeySlice, places: StackPlaces, view: View, window: Window, has_evidence: bool
) -> tuple[Tile, ...]:
    rank = int(np.flatnonzero(places.order == key.index)[0])
    pixels = window.apply(view.picture(places.plane, rank))
    plain = Tile(
        pixels,
        position_text(float(places.places_mm[key.index]), places.plane),
        title=(printable(shortened(key.label.code.meaning, _LONGEST_NAME)), _place_text(key, places)),
    )
    if not has_evidence:
        return (plain,)
    if key.evidence is None:
        return plain, Tile(pixels, "no evidence given")
    evidence = places.slice_view(key.evidence).picture(places.plane, 0)
    return plain, Tile(pixels, "with evidence", evidence=evidence)


def _place_text(key: KeySlice, places: StackPlaces) -> str:
    height_mm = places.heights_mm[key.index]
    slice_text = f"slice {key.index + 1} of {len(places.places_mm)}, at {height_mm:.1f} mm"
    if key.share is not None:
        return f"{key.share:.0%} of the answer from {slice_text}"
    return f"probability {key.label.slice_probabilities[key.index]:.2f} in {slice_text}"


def _lay_out(count: int, extent_mm: tuple[float, float]) -> Layout:
    columns = min(_COLUMNS, count)
    width = min(_LARGEST_TILE, (WIDTH + GAP) // columns - GAP)
    height = max(1, round(width * extent_mm[1] / extent_mm[0]))
    return Layout(columns, ceil(count / columns), count, width, height, title_height=_TITLE_HEIGHT)


def _caption(places: StackPlaces, view: View, window: Window, has_evidence: bool) -> str:
    sentences = [f"For each label the slice that speaks for it most; {window.text}."]
    if has_evidence:
        sentences.append(
            f"Beside it the same slice with what the model weighed in {EVIDENCE_NAME}: the stronger the "
            f"colour, the more; a line runs where it reaches {OUTLINED:g} of the strongest. It is no outline "
            "of the finding."
        )
    sentences += [
        "Heights in the titles are counted from the lowest slice, as those of the curves; the place in the "
        "corner is that of the scan.",
        side_sentence(places.plane),
        view.axes_note(),
    ]
    return " ".join(filter(None, sentences))
