"""Cards: required sections, and HTML that carries no markup of its own."""

from html.parser import HTMLParser

import pytest

from medpipe.core.errors import SettingsError
from medpipe.zoo.card import SECTIONS, card_html, check_card

CARD = "# Spots\n\n" + "".join(f"## {name}\nText (0.87 to 0.89).\n\n" for name in SECTIONS)


class Markup(HTMLParser):
    """The tags and attributes of a page, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


class TestCheckCard:
    def test_complete_card_passes(self) -> None:
        check_card(CARD)

    @pytest.mark.parametrize("name", SECTIONS)
    def test_missing_section_is_named(self, name: str) -> None:
        with pytest.raises(SettingsError, match=f"## {name}.*found none"):
            check_card(CARD.replace(f"## {name}\n", "## Other\n"))

    @pytest.mark.parametrize("name", SECTIONS)
    def test_empty_section_is_named(self, name: str) -> None:
        with pytest.raises(SettingsError, match=f"## {name}.*an empty section"):
            check_card(CARD.replace(f"## {name}\nText (0.87 to 0.89).", f"## {name}\n"))

    def test_heading_inside_a_code_block_is_no_section(self) -> None:
        with pytest.raises(SettingsError, match="## Command"):
            check_card(CARD.replace("## Command\n", "```\n## Command\n```\n"))

    @pytest.mark.parametrize("figure", ["0.883", "0.883 over 220 crops (all left)", "0.883 (SD 0.02)"])
    def test_figures_without_interval_are_refused(self, figure: str) -> None:
        with pytest.raises(SettingsError, match="without an interval"):
            check_card(CARD.replace("## Figures\nText (0.87 to 0.89).", f"## Figures\n{figure}\n"))

    @pytest.mark.parametrize(
        "interval", ["(0.871 to 0.894)", "[0.871, 0.894]", "(95 %: 0.871–0.894)", "(-2 to 3)"]
    )
    def test_intervals_may_be_written_in_several_ways(self, interval: str) -> None:
        check_card(
            CARD.replace("## Figures\nText (0.87 to 0.89).", f"## Figures\n| Dice | 0.883 {interval} |\n")
        )


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
