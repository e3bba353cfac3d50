"""The words of the reports: panel titles and how to read each panel, kept as data."""

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import yaml

_TEXTS: Final = Path(__file__).parent / "texts.yaml"

OVERLAY_FAMILIES: Final = ("overlay", "slices")
"""Kinds of figures that show what a model outlined; they stand beside its numbers."""

LABEL_FAMILIES: Final = ("slice_curve", "key_slices")
"""Kinds of figures that show what speaks for a label; they stand below the table of labels."""

FIGURE_FAMILIES: Final = (
    *OVERLAY_FAMILIES,
    *LABEL_FAMILIES,
    "mosaic",
    "contact_sheet",
    "radiograph",
    "histogram",
)
"""Kinds of figures in the order of the report: the image itself comes before numbers drawn from it."""


class PanelText(NamedTuple):
    """Title of a panel and how to read it."""

    title: str
    how_to_read: str


def panel_text(panel: str) -> PanelText:
    """Return the words of a panel; of ``"other"`` for one that has none."""
    texts = _read_texts()
    return texts.get(panel, texts["other"])


def figure_family(figure: str) -> str:
    """Return the panel whose words fit a figure, by the beginning of its name (``"mosaic_axial"``)."""
    return next((family for family in FIGURE_FAMILIES if figure.startswith(family)), "figures")


@lru_cache
def _read_texts() -> dict[str, PanelText]:
    data = yaml.safe_load(_TEXTS.read_text(encoding="utf-8"))
    return {name: PanelText(text["title"], text["how_to_read"].strip()) for name, text in data.items()}
