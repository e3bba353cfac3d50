"""Cards of imported models: their makers' words, marked as such, and what medpipe does in another way."""

import re
from collections.abc import Sequence
from typing import Final

from medpipe.core.findings import NOT_FOR_DIAGNOSIS
from medpipe.zoo.card import NOT_EVALUATED

_MAX_CHARACTERS: Final = 1000
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|!~])")


def imported_card(
    *, title: str, summary: str, data: str, licence: str, figures: str, limits: Sequence[str], command: str
) -> str:
    """Return a card with every section; foreign words are one paragraph each, without markup.

    Args:
        title: Name of the model there.
        summary: What it does.
        data: What it learned from; empty where its makers do not say.
        licence: Its licence and holder.
        figures: What its makers measured; empty where they do not say.
        limits: What medpipe does in another way and what must be known, a sentence each.
        command: The command that imported it.
    """
    claimed = f" Its makers state: {plain(figures)}" if figures else ""
    listed = "\n".join(f"- {plain(limit)}" for limit in (*limits, NOT_FOR_DIAGNOSIS))
    return (
        f"# {plain(title)}\n\nImported: {plain(summary)}\n\n"
        f"## Data\nAs its makers state: {plain(data) or 'nothing'}\n\n"
        f"## Licence\nLicence: {plain(licence)}\n\n"
        f"## Figures\n{NOT_EVALUATED}{claimed}\n\n"
        f"## Limits\n{listed}\n\n"
        f"## Command\n```sh\n{command}\n```\n"
    )


def plain(text: str) -> str:
    """Return foreign words as one line of Markdown that means nothing but its letters."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split())[:_MAX_CHARACTERS])
