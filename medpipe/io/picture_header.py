"""PNG and JPEG headers: what a picture is, before its pixels are decoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from medpipe.core.codes import Code
from medpipe.core.errors import MedpipeError, RefusedError
from medpipe.core.source import GeometryNote, SourceKind
from medpipe.io.content_hash import sha256_of
from medpipe.io.series import Form, Series

_FORMATS: Final = ("PNG", "JPEG")

_NO_CALIBRATION: Final = GeometryNote(
    code=Code.W_CALIBRATION, message="A picture states no pixel spacing: lengths are in pixels"
)


def index_picture(path: Path) -> Series:
    """Describe a picture by its header; what is wrong with it already stands in ``refusal``.

    Raises:
        OSError: The file cannot be read.
    """
    size, facts, refusal = (0, 0), {}, None
    try:
        with open_picture(path) as picture:
            size, facts = picture.size, {"format": str(picture.format), "mode": picture.mode}
    except RefusedError as error:
        refusal = error
    return Series(
        uid=sha256_of([path]),
        kind=SourceKind.PICTURE,
        files=(str(path.absolute()),),
        num_bytes=path.stat().st_size,
        modality="",
        form=Form.PLANAR,
        num_slices=1,
        size=size,
        facts=facts,
        notes=(_NO_CALIBRATION,),
        refusal=refusal,
    )


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture; what goes wrong while it is decoded becomes a refusal.

    Raises:
        RefusedError: ``E_EMPTY``, ``E_HEADER``, ``E_BUDGET``, ``E_DIMS`` (several frames), ``E_TRUNCATED`` or
            ``E_DECODE``.
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        if not stream.read(1):
            raise RefusedError(Code.E_EMPTY, "The file holds no bytes")
        stream.seek(0)
        try:
            with Image.open(stream, formats=_FORMATS) as picture:
                num_frames = getattr(picture, "n_frames", 1)
                if num_frames > 1:
                    raise RefusedError(
                        Code.E_DIMS, "The picture has several frames", found=str(num_frames), fix="Save one."
                    )
                yield picture
        except MedpipeError:
            raise
        except Image.DecompressionBombError as error:
            raise RefusedError(Code.E_BUDGET, "The picture is too large", found=str(error)) from error
        except UnidentifiedImageError as error:
            raise RefusedError(Code.E_HEADER, "The header of the picture cannot be read") from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            # Pillow has no type of its own for data that end early.
            code = Code.E_TRUNCATED if "truncated" in str(error) else Code.E_DECODE
            raise RefusedError(
                code,
                "The picture cannot be decoded",
                found=str(error),
                fix="Copy the file again from its source.",
            ) from error
