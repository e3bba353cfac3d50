"""The words of the reports: panel titles and how to read each panel, kept as data."""

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import yaml

_TEXTS: Final = Path(__file__).parent / "texts.yaml"


class PanelText(NamedTuple):
    """Title of a panel and how to read it."""

    title: str
    how_to_read: str


def panel_text(panel: str) -> PanelText:
    """Return the words of a panel; of ``"other"`` for one that has none."""
    texts = _read_texts()
    return texts.get(panel, texts["other"])


def figure_how_to_read(figure: str) -> str:
    """Return how to read a figure, by the first part of its name (``"mosaic"`` of ``"mosaic_axial"``)."""
    texts = _read_texts()
    family = next((name for name in texts if figure.startswith(name)), "figures")
    return texts[family].how_to_read


@lru_cache
def _read_texts() -> dict[str, PanelText]:
    data = yaml.safe_load(_TEXTS.read_text(encoding="utf-8"))
    return {name: PanelText(text["title"], text["how_to_read"].strip()) for name, text in data.items()}
