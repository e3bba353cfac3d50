"""The picture of a radiograph: view and side as stated, lengths only where calibrated."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.core.findings import Laterality
from medpipe.figures.canvas import BODY, MARK, MUTED, blank, printable, to_webp, write
from medpipe.figures.tiles import FOOTER, draw_scale_bar
from medpipe.figures.windows import percentile_window

_MAX_WIDTH: Final = 900
_MAX_HEIGHT: Final = 760
_MIN_WIDTH: Final = 560
_SAMPLE_AXIS: Final = 256
_NOT_STATED: Final = "not stated"


def draw_radiograph(
    array: npt.NDArray[Any],
    *,
    pixel_spacing_mm: tuple[float, float] | None,
    is_calibrated: bool,
    view: str = "",
    laterality: Laterality | None = None,
) -> Figure:
    """Draw a radiograph as it is stored, true to its pixel spacing.

    Args:
        array: ``(I, J)`` values, I along image rows (columns of DICOM pixels); brighter is higher.
        pixel_spacing_mm: Along I and J; None where the file states none.
        is_calibrated: Whether the spacing holds in the patient: only then a scale bar is drawn.
        view: View position such as ``"PA"``; empty where not stated.
        laterality: Side of a paired body part, where stated.

    Raises:
        ShapeError: The array has not two axes.
    """
    if array.ndim != 2:
        raise ShapeError("A radiograph is (I, J)", found=f"shape {array.shape}")
    steps = tuple(max(1, size // _SAMPLE_AXIS) for size in array.shape)
    window = percentile_window(array[:: steps[0], :: steps[1]])
    spacing = pixel_spacing_mm or (1.0, 1.0)
    width_mm, height_mm = (size * step for size, step in zip(array.shape, spacing, strict=True))
    scale = min(_MAX_WIDTH / width_mm, _MAX_HEIGHT / height_mm)
    size = max(1, round(width_mm * scale)), max(1, round(height_mm * scale))
    grey = Image.fromarray(np.ascontiguousarray(window.apply(array).T))

    canvas = blank(max(size[0], _MIN_WIDTH), size[1] + FOOTER)
    canvas.paste(grey.resize(size, Image.Resampling.BILINEAR), ((canvas.width - size[0]) // 2, 0))
    stated = f"view {view or _NOT_STATED} - side {laterality or _NOT_STATED}"
    write(canvas, (8, 8), printable(stated), fill=MARK, size=BODY)
    middle = size[1] + FOOTER // 2
    if pixel_spacing_mm and is_calibrated:
        draw_scale_bar(canvas, scale, middle)
    else:
        write(canvas, (8, middle), "not calibrated: no lengths", fill=MUTED, anchor="lm")
    write(canvas, (canvas.width - 8, middle), window.text, fill=MUTED, anchor="rm")
    caption = (
        f"The radiograph as stored; {window.text}. Left and right are as the picture was stored: look for "
        "the marker on the film. "
        + (
            "The scale bar follows the calibrated pixel spacing."
            if is_calibrated and pixel_spacing_mm
            else "The file states no calibrated pixel spacing, so no lengths in mm are given."
        )
    )
    return Figure(
        "radiograph", "Radiograph", caption, to_webp(canvas), f"Radiograph, {stated}, {window.text}."
    )
