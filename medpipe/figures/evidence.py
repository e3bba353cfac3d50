"""Evidence: what a model weighed in a slice, washed over it so that the anatomy stays visible."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from medpipe.figures.canvas import Colour

EVIDENCE_NAME: Final = "orange"
_COLOUR: Final[Colour] = (255, 128, 40)
_STRONGEST: Final = 0.45
"""Share of colour at an evidence of 1; more would hide what lies below."""

OUTLINED: Final = 0.5
"""A line is drawn where the evidence rises to this."""


def with_evidence(pixels: npt.NDArray[np.uint8], evidence: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return pixels with a wash of colour, and a line around where the evidence is strong.

    Args:
        pixels: ``(H, W, 3)``.
        evidence: ``(h, w)`` in [0, 1], of the same field; coarser maps are interpolated.
    """
    height, width = pixels.shape[:2]
    coarse = Image.fromarray(np.ascontiguousarray(evidence, dtype=np.float32))
    strength = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))
    share = _STRONGEST * strength[:, :, None]
    washed = np.round(pixels * (1 - share) + np.array(_COLOUR) * share).astype(np.uint8)
    washed[_border(strength >= OUTLINED)] = _COLOUR
    return washed


def _border(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels on either side of an edge: a line two pixels wide."""
    border = np.zeros_like(inside)
    for axis in (0, 1):
        changes = np.diff(inside, axis=axis)
        before, after = (slice(None, -1), slice(None)), (slice(1, None), slice(None))
        if axis == 1:
            before, after = before[::-1], after[::-1]
        border[before] |= changes
        border[after] |= changes
    return border
