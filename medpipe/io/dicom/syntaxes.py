"""Transfer syntaxes by how their pixels are read (PS3.5 A)."""

from typing import Final

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
RLE: Final = "1.2.840.10008.1.2.5"

NATIVE: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG})
"""Pixels stand as they are, without encapsulated frames."""

ALWAYS_LOSSY: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51))
"""Baseline and extended JPEG; others may be lossy, and then the header says so (PS3.3 C.7.6.1.1.5)."""

JPEG: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
"""The old JPEG family, which only a GPL decoder reads in full: the extra ``medpipe[jpeg]``."""
