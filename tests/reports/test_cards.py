"""Cards in reports: HTML that carries no markup of its own, at the end of the page."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.findings import Maker
from medpipe.reports.cards import card_html, model_cards
from medpipe.reports.study import render_study


class Markup(HTMLParser):
    """The tags and attributes of a page, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


class TestCardHtml:
    def test_tables_lists_and_emphasis_are_rendered(self) -> None:
        html = card_html("| a | b |\n|---|---|\n| 1 | 2 |\n\n- **bold**\n")
        assert "<td>1</td>" in html
        assert "<li><strong>bold</strong></li>" in html

    def test_headings_start_where_the_report_wants_them(self) -> None:
        assert card_html("# a\n\n## b\n", top_level=3) == "<h3>a</h3>\n<h4>b</h4>\n"

    def test_headings_do_not_go_below_the_sixth_level(self) -> None:
        assert card_html("### a\n", top_level=6) == "<h6>a</h6>\n"

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<style>*{display:none}</style>",
            "```\n</code></pre><script>alert(1)</script>\n```",
            '```"><script>alert(1)</script>\nx\n```',
            "[a](javascript:alert(1))",
            '[a](https://example.org/"onclick=x)',
            "![a](https://example.org/pixel.png)",
            "<https://example.org>",
            "[a][r]\n\n[r]: https://example.org '\"><script>'",
            "| <b> |\n|---|\n| <script> |",
            "&lt;script&gt; &#60;script&#62;",
        ],
    )
    def test_nothing_in_a_card_becomes_markup_or_a_link(self, text: str) -> None:
        page = Markup()
        page.feed(card_html(text))
        assert page.tags <= {"p", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}
        assert page.attributes <= {"class"}

    def test_address_of_a_link_stays_readable(self) -> None:
        assert card_html("[data](https://example.org/a?b=1&c=2)\n") == (
            "<p>data (https://example.org/a?b=1&amp;c=2)</p>\n"
        )

    @pytest.mark.parametrize("text", ["a\u202eb", "a&#x202e;b"])
    def test_unseen_characters_are_spelt_out(self, text: str) -> None:
        assert card_html(text) == "<p>a⟨U+202E⟩b</p>\n"


class TestPanel:
    def write_cards(self, folder: Path) -> None:
        (folder / "cards").mkdir()
        (folder / "cards" / "spots-2-1.0.0.md").write_text("# Spots\n\n## Limits\n<b>none</b> & few\n")
        (folder / "cards" / "rings-0.2.1.md").write_text("# Rings\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")

    def test_every_card_stands_collapsed_at_the_end(
        self, build_study: Callable[..., Path], read_page: Callable[[Path], Any]
    ) -> None:
        folder = build_study()
        self.write_cards(folder)
        page = read_page(render_study(folder, formats=["html"])[0])
        page.assert_safe()
        assert page.all("script") == []
        text = page.text[page.text.rindex("Provenance") :]
        assert text.index("rings 0.2.1") < text.index("spots-2 1.0.0") < text.index("<b>none</b> & few")
        assert "open" not in [name for tag in page.all("details") for name in tag]
        assert {"href": "#models"} in page.all("a")

    def test_study_without_models_has_no_such_panel(
        self, build_study: Callable[..., Path], read_page: Callable[[Path], Any]
    ) -> None:
        page = read_page(render_study(build_study(), formats=["html"])[0])
        assert "models" not in [tag.get("id") for tag in page.all("section")]

    def test_cards_are_ordered_by_name(self) -> None:
        makers = [Maker(name="b", version="1.0.0"), Maker(name="a", version="2.0.0")]
        assert [card.name for card in model_cards(dict.fromkeys(makers, "# x"))] == ["a", "b"]
