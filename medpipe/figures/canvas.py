"""The dark canvas that figures are drawn on: colours, text and encoding."""

from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BACKGROUND: Final[Colour] = (13, 16, 20)
PANEL: Final[Colour] = (22, 26, 32)
RULE: Final[Colour] = (58, 66, 77)
TEXT: Final[Colour] = (226, 231, 237)
MUTED: Final[Colour] = (150, 161, 174)
MARK: Final[Colour] = (255, 200, 87)
WARN: Final[Colour] = (255, 138, 92)
ACCENT: Final[Colour] = (92, 169, 232)

OUTLINES: Final[tuple[tuple[str, Colour], ...]] = (
    ("amber", (255, 193, 69)),
    ("cyan", (72, 202, 228)),
    ("pink", (247, 108, 160)),
    ("green", (124, 214, 110)),
    ("violet", (176, 140, 255)),
    ("orange", (255, 138, 76)),
    ("blue", (98, 149, 255)),
    ("lime", (208, 226, 84)),
)
"""Outline colours of label values 1, 2, ..., used again from the first beyond the last."""

SMALL: Final = 12
BODY: Final = 14
WIDTH: Final = 1160
"""Width in pixels of a full figure: what a report's column shows without scaling."""

_QUALITY: Final = 80
_METHOD: Final = 2
"""WebP effort: half of the default's time for 5 % more bytes."""

_RIM: Final = 1
_FONTS: Final = {size: ImageFont.load_default(size=size) for size in (SMALL, BODY)}


def blank(width: int, height: int) -> Image.Image:
    """Return an empty RGB canvas."""
    return Image.new("RGB", (width, height), BACKGROUND)


def write(
    canvas: Image.Image,
    xy: tuple[float, float],
    text: str,
    *,
    fill: Colour = TEXT,
    size: int = SMALL,
    anchor: str = "la",
) -> None:
    """Write text with a dark rim, so that it can be read on bright pixels.

    Args:
        canvas: Changed in place.
        xy: Where the anchor lies, in pixels.
        text: What to write; Pillow's own font holds little beyond ASCII.
        fill: Colour.
        size: ``SMALL`` or ``BODY``.
        anchor: Pillow's text anchor, such as ``"la"`` (left, ascender).
    """
    stamp, left, top = _stamp(text, fill, size, anchor)
    canvas.paste(stamp, (round(xy[0]) + left, round(xy[1]) + top), stamp)


@lru_cache(maxsize=256)
def _stamp(text: str, fill: Colour, size: int, anchor: str) -> tuple[Image.Image, int, int]:
    """Return drawn text and where it lies from its anchor; drawing the rim takes longer than pasting."""
    left, top, right, bottom = (
        round(edge) for edge in _FONTS[size].getbbox(text, anchor=anchor, stroke_width=_RIM)
    )
    stamp = Image.new("RGBA", (max(1, right - left), max(1, bottom - top)), (*BACKGROUND, 0))
    ImageDraw.Draw(stamp).text(
        (-left, -top),
        text,
        font=_FONTS[size],
        fill=fill,
        anchor=anchor,
        stroke_width=_RIM,
        stroke_fill=BACKGROUND,
    )
    return stamp, left, top


def text_width(text: str, *, size: int = SMALL) -> float:
    """Return the width of text in pixels."""
    return float(_FONTS[size].getlength(text))


def shortened(text: str, longest: int) -> str:
    """Return text of at most so many letters; what was cut off is marked."""
    return text if len(text) <= longest else text[: longest - 3].rstrip() + "..."


def printable(text: str) -> str:
    """Return text with only the characters that Pillow's own font holds."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


def to_webp(canvas: Image.Image) -> bytes:
    """Encode a canvas; equal canvases give equal bytes."""
    buffer = BytesIO()
    canvas.save(buffer, "WEBP", quality=_QUALITY, method=_METHOD)
    return buffer.getvalue()
