"""Planar images to PNG files."""

from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.io.atomic import write_bytes

_LARGEST: Final = np.iinfo(np.uint16).max


def write_picture(path: Path, pixels: npt.NDArray[Any], *, durable: bool = False) -> None:
    """Write values as a grey PNG of 8 bits, or 16 where one is above 255; they are rounded, not scaled.

    Args:
        path: Ends in ``.png``.
        pixels: ``(I, J)`` from 0 to 65535, I along columns.
        durable: Flush to the disk.

    Raises:
        ShapeError: Not two axes.
        RefusedError: A value is out of range (``E_BITS``).
        MachineError: See :func:`medpipe.io.atomic.atomic_write`.
    """
    if pixels.ndim != 2 or not pixels.size:
        raise ShapeError("A picture is (I, J)", found=f"shape {pixels.shape}")
    rounded = np.rint(pixels.T.astype(np.float64))
    if rounded.min() < 0 or rounded.max() > _LARGEST:
        raise RefusedError(
            Code.E_BITS,
            f"A PNG holds values from 0 to {_LARGEST}",
            found=f"{rounded.min():g} to {rounded.max():g}",
        )
    dtype = np.uint8 if rounded.max() <= np.iinfo(np.uint8).max else np.uint16
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(rounded.astype(dtype))).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue(), durable=durable)
