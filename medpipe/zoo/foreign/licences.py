"""Licences of foreign models: which one a text is, and the text that goes with the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FILES: Final = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE")
_DATA_LICENCE: Final = "docs/data_license.txt"
_MAX_BYTES: Final = 500_000
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Apache-2.0": ("Apache License", "Version 2.0"),
    "MIT": ("MIT License", "Permission is hereby granted, free of charge"),
    "CC0-1.0": ("CC0 1.0 Universal",),
    "CC-BY-4.0": ("Attribution 4.0 International",),
}
"""Words that the beginning of a licence's text holds."""

_BEGINNING: Final = 1000


def known_licence(folder: Path) -> str | None:
    """Return the SPDX identifier of the licence that lies in a folder, or None where none is known."""
    beginning = " ".join(_licence(folder)[:_BEGINNING].split())
    found = [name for name, words in _WORDS.items() if all(word in beginning for word in words)]
    return found[0] if len(found) == 1 else None


def licence_text(folder: Path, otherwise: str) -> str:
    """Return the licence that lies in a folder, and that of its data.

    Args:
        folder: Folder of a foreign model.
        otherwise: What its makers say elsewhere, for a folder without such a file.
    """
    data = _text(folder / _DATA_LICENCE)
    texts = [_licence(folder) or otherwise or "Its makers left no licence.", data and f"Data:\n\n{data}"]
    return "\n\n".join(text.strip() for text in texts if text.strip()) + "\n"


def _licence(folder: Path) -> str:
    return next((text for name in _FILES if (text := _text(folder / name))), "")


def _text(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
