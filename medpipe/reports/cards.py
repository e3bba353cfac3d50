"""Cards of models as a report shows them: Markdown in, safe HTML out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from medpipe.core.findings import Maker
from medpipe.reports.page import visible_text

_TOP_LEVEL: Final = 3
"""A card's first heading stands below the heading of its panel."""


@dataclass(frozen=True)
class ModelCard:
    """The card of one model; ``body`` is safe HTML."""

    name: str
    version: str
    body: Markup


def model_cards(cards: Mapping[Maker, str]) -> tuple[ModelCard, ...]:
    """Return the cards of the models behind a study, by name."""
    ordered = sorted(cards.items(), key=lambda item: (item[0].name, item[0].version))
    return tuple(
        ModelCard(maker.name, maker.version, Markup(card_html(text, top_level=_TOP_LEVEL)))
        for maker, text in ordered
    )


def card_html(text: str, *, top_level: int = 1) -> str:
    """Render a card as an HTML fragment that may stand in a report.

    Raw HTML is shown as text, and characters that cannot be seen are spelt out. Links and images become
    text with their address, so that the fragment refers to nothing outside of it.

    Args:
        text: Markdown.
        top_level: Heading level that a first-level heading becomes, 1 to 6.
    """
    renderer = _parser()
    tokens = renderer.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + top_level - 1)}"
    # Afterwards: an entity such as &#x202e; becomes a character only here.
    return str(visible_text(renderer.renderer.render(tokens, renderer.options, {})))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "autolink"])
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("link_close", _link_close)
    return parser


def _link_open(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return ""


def _link_close(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    opened = next(token for token in reversed(tokens[:index]) if token.type == "link_open")
    return f" ({escape(str(opened.attrGet('href')))})"
