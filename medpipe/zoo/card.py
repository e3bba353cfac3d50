"""Cards: what a model was made from, how good it is and where it fails."""

import re
from typing import Final

from markdown_it import MarkdownIt

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

CARD: Final = "card.md"

SECTIONS: Final = ("Data", "Licence", "Figures", "Limits", "Command")
"""Second-level headings that every card has, each with text below it."""

_INTERVAL: Final = re.compile(r"[(\[][^()\[\]]*\d\s*(?:to|,|–|-)\s*[-−]?\d[^()\[\]]*[)\]]")
"""Two numbers in brackets, such as ``(0.871 to 0.894)``."""


NOT_EVALUATED: Final = "Not evaluated by medpipe."
"""What the figures of an imported network say, as nothing is known of them here."""


def check_card(text: str, *, imported: bool) -> None:
    """Check that a card says what a reader must know.

    Args:
        text: Markdown.
        imported: Whether the network came from another toolkit: its figures are its makers' word, and the
            card says that they were not checked.

    Raises:
        SettingsError: A section is missing or empty; the figures state no interval, or for an imported
            network not that it was not evaluated.
    """
    found = _sections(text)
    for name in SECTIONS:
        if not found.get(name.lower()):
            state = "an empty section" if name.lower() in found else "none"
            raise SettingsError(
                Code.E_PACKAGE,
                f"{CARD} must have a section '## {name}' with text",
                found=state,
                fix=f"A card has the sections {', '.join(SECTIONS)}.",
            )
    if imported:
        if NOT_EVALUATED not in found["figures"]:
            raise SettingsError(
                Code.E_PACKAGE,
                f"{CARD} of an imported network must say that its figures were not checked",
                fix=f"Write {NOT_EVALUATED!r} in the section Figures.",
            )
    elif not _INTERVAL.search(found["figures"]):
        raise SettingsError(
            Code.E_PACKAGE,
            f"{CARD} states figures without an interval",
            fix="Write each with its interval, such as 0.883 (0.871 to 0.894).",
        )


def _sections(text: str) -> dict[str, str]:
    """Return the text below each second-level heading by its lower-case title."""
    sections: dict[str, str] = {}
    title = ""
    is_heading = False
    for token in _parser().parse(text):
        if is_heading:
            title = token.content.strip().lower()
            sections.setdefault(title, "")
        else:
            sections[title] = sections.get(title, "") + token.content.strip()
        is_heading = token.type == "heading_open" and token.tag in ("h1", "h2")
    return sections


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
