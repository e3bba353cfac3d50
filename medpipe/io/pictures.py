"""PNG and JPEG radiographs to planar images."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.planar import Photometric, Planar, SpacingKind
from medpipe.core.source import GeometryCheck, Source, SourceKind
from medpipe.io.content_hash import sha256_of
from medpipe.io.gzip_stream import check_expansion
from medpipe.io.picture_header import open_picture
from medpipe.io.series import DEFAULT_LIMITS, Limits, Series

_GREY_MODES: Final = frozenset({"1", "L", "LA", "I", "I;16", "I;16B"})
_RGB_MODES: Final = frozenset({"RGB", "RGBA", "P"})

_BYTES_PER_PIXEL: Final = 4
"""At most, decoded: RGB with alpha."""


def read_picture(series: Series, *, limits: Limits = DEFAULT_LIMITS) -> Planar:
    """Read a grey picture; transparency is dropped, the EXIF orientation followed.

    Args:
        series: From :func:`medpipe.io.picture_header.index_picture`.
        limits: Checked before pixels are decoded.

    Returns:
        ``(1, I, J)`` float32 in stored units (0 to 255 or to 65535), I along columns; no spacing.

    Raises:
        RefusedError: ``E_EMPTY``, ``E_HEADER``, ``E_BUDGET``, ``E_RATIO``, ``E_TRUNCATED``, ``E_DECODE``, or
            ``E_DIMS`` where colours differ from grey.
        OSError: The file cannot be read.
    """
    if series.refusal:
        raise series.refusal
    path = Path(series.files[0])
    with open_picture(path) as picture:
        _check_size(picture, path.stat().st_size, limits)
        pixels = _grey(ImageOps.exif_transpose(picture))
    whole = GeometryCheck(name="file is whole", passed=True, found=f"{pixels.size} pixels decoded")
    return Planar(
        array=torch.from_numpy(pixels.T.astype(np.float32)[None]),
        pixel_spacing_mm=None,
        spacing_kind=SpacingKind.NONE,
        view="",
        laterality=None,
        photometric=Photometric.MONOCHROME2,
        modality=series.modality,
        source=Source(
            kind=SourceKind.PICTURE,
            sha256=sha256_of([path]),
            acquisition=dict(series.facts),
            checks=(whole,),
            notes=series.notes,
        ),
    )


def _check_size(picture: Image.Image, file_size: int, limits: Limits) -> None:
    num_pixels = picture.width * picture.height
    if num_pixels > limits.max_voxels:
        raise RefusedError(
            Code.E_BUDGET,
            f"The picture has more than {limits.max_voxels} pixels",
            found=f"{picture.width} x {picture.height}",
        )
    check_expansion(num_pixels * _BYTES_PER_PIXEL, file_size, limits)


def _grey(picture: Image.Image) -> npt.NDArray[Any]:
    """Return ``(rows, columns)`` pixels of one channel."""
    if picture.mode in _GREY_MODES:
        return np.asarray(picture.getchannel("L") if picture.mode == "LA" else picture)
    if picture.mode not in _RGB_MODES:
        raise _colour(f"mode {picture.mode}")
    colours = np.asarray(picture.convert("RGB"))
    num_coloured = np.count_nonzero((colours != colours[..., :1]).any(axis=2))
    if num_coloured:
        raise _colour(f"{num_coloured} of {picture.width * picture.height} pixels are not grey")
    return colours[..., 0]


def _colour(found: str) -> RefusedError:
    return RefusedError(
        Code.E_DIMS, "The picture is in colour", found=found, fix="Save it as grey if it is a radiograph."
    )
