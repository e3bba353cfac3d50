"""How pixels are stored in a file and what stored values mean."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the pixels of a file are stored (PS3.3 C.7.6.3).

    Attributes:
        syntax: Transfer syntax UID.
        rows: Pixels along J.
        columns: Pixels along I.
        frames: NumberOfFrames as declared; 1 where absent.
        samples: 1 for grey values, 3 for colour.
        bits_allocated: Bits of a stored pixel.
        bits_stored: Bits of it that count.
        high_bit: The highest bit that counts.
        is_signed: Whether they are two's complement.
        planar_configuration: 0 colour by pixel, 1 colour by plane.
        photometric: Photometric interpretation.
        tag: Tag of the pixel element; other than 7FE00010 for floating-point pixels.
        offset: Where the pixel value starts in the file, or in the inflated data set of a deflated file.
        length: Declared bytes of native pixels; None for encapsulated frames.
        data_set_offset: Where the data set starts in the file.
    """

    syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    planar_configuration: int
    photometric: str
    tag: int
    offset: int
    length: int | None
    data_set_offset: int

    @property
    def frame_pixels(self) -> int:
        """Pixels of one frame."""
        return self.rows * self.columns

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        return self.frame_pixels * self.samples * self.bits_allocated // 8


@dataclass(frozen=True, slots=True)
class Rescale:
    """Stored values to meaningful ones (PS3.3 C.11.1).

    Attributes:
        slope: 1 where absent.
        intercept: 0 where absent.
        type: Unit such as ``"HU"``; empty where absent.
        has_table: Whether a modality look-up table takes the place of slope and intercept.
    """

    slope: float
    intercept: float
    type: str
    has_table: bool
