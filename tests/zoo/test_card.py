"""Cards: the sections that each must have."""

import pytest

from medpipe.core.errors import SettingsError
from medpipe.zoo.card import NOT_EVALUATED, SECTIONS, check_card

CARD = "# Spots\n\n" + "".join(f"## {name}\nText (0.87 to 0.89).\n\n" for name in SECTIONS)


class TestCheckCard:
    def test_complete_card_passes(self) -> None:
        check_card(CARD, imported=False)

    @pytest.mark.parametrize("name", SECTIONS)
    def test_missing_section_is_named(self, name: str) -> None:
        with pytest.raises(SettingsError, match=f"## {name}.*found none"):
            check_card(CARD.replace(f"## {name}\n", "## Other\n"), imported=False)

    @pytest.mark.parametrize("name", SECTIONS)
    def test_empty_section_is_named(self, name: str) -> None:
        with pytest.raises(SettingsError, match=f"## {name}.*an empty section"):
            check_card(CARD.replace(f"## {name}\nText (0.87 to 0.89).", f"## {name}\n"), imported=False)

    def test_heading_inside_a_code_block_is_no_section(self) -> None:
        with pytest.raises(SettingsError, match="## Command"):
            check_card(CARD.replace("## Command\n", "```\n## Command\n```\n"), imported=False)

    @pytest.mark.parametrize("figure", ["0.883", "0.883 over 220 crops (all left)", "0.883 (SD 0.02)"])
    def test_figures_without_interval_are_refused(self, figure: str) -> None:
        with pytest.raises(SettingsError, match="without an interval"):
            check_card(
                CARD.replace("## Figures\nText (0.87 to 0.89).", f"## Figures\n{figure}\n"), imported=False
            )

    @pytest.mark.parametrize(
        "interval", ["(0.871 to 0.894)", "[0.871, 0.894]", "(95 %: 0.871–0.894)", "(-2 to 3)"]
    )
    def test_intervals_may_be_written_in_several_ways(self, interval: str) -> None:
        check_card(
            CARD.replace("## Figures\nText (0.87 to 0.89).", f"## Figures\n| Dice | 0.883 {interval} |\n"),
            imported=False,
        )

    def test_imported_card_says_that_it_was_not_evaluated(self) -> None:
        with pytest.raises(SettingsError, match=r"imported network.*Not evaluated by medpipe"):
            check_card(CARD, imported=True)
        check_card(CARD.replace("Text (0.87 to 0.89).", f"{NOT_EVALUATED} 0.9 there."), imported=True)
