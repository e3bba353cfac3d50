"""Cards of trained models: what people must know of a network, in Markdown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from medpipe.inference.evaluation import MetricSummary


@dataclass(frozen=True)
class PackageFacts:
    """What a card must say and only people know.

    Attributes:
        version: Three numbers; raised whenever results change.
        data: Name of the data set, how many cases, and how they were split.
        data_licence: Licence of the data.
        licence: SPDX identifier of the package's own licence.
        limits: What the model has not seen; where it must not be used.
        command: The command that makes the package.
    """

    version: str
    data: str
    data_licence: str
    licence: str
    limits: str
    command: str


def licence_text(facts: PackageFacts) -> str:
    """Return the text of a package's licence."""
    return (
        f"SPDX-License-Identifier: {facts.licence}\n\n"
        f"These weights were trained on: {facts.data}\nLicence of the data: {facts.data_licence}\n"
    )


def card_text(
    name: str,
    facts: PackageFacts,
    figures: Sequence[MetricSummary],
    *,
    protocol: str,
    subject: str,
    training: str,
) -> str:
    """Return a card.

    Args:
        name: Of the package.
        facts: What only people know.
        figures: Results on cases that the scored network has not seen.
        protocol: How they were got, in a sentence or two.
        subject: What the figures are of, such as ``"structure"``.
        training: How this network was trained, in a sentence.
    """
    rows = [
        f"| {item.structure.replace('_', ' ')} | {item.metric.replace('_', ' ')} | {item.mean:.4g} "
        f"({item.interval.low:.4g} to {item.interval.high:.4g}) | {item.num_cases} |"
        for item in figures
    ]
    results = [
        f"{protocol} Means over cases, with 95 % bootstrap intervals:",
        "",
        f"| {subject} | metric | mean (95 % interval) | cases |",
        "|---|---|---|---|",
        *rows,
        "",
        training,
    ]
    return sectioned_card(name, facts, figures=results)


def sectioned_card(
    name: str,
    facts: PackageFacts,
    *,
    figures: Sequence[str],
    data: Sequence[str] = (),
    limits: Sequence[str] = (),
) -> str:
    """Return a card of which some sections are given as lines of Markdown.

    Args:
        name: Of the package.
        facts: What only people know.
        figures: Lines of the section.
        data: Lines behind what the facts say of the data.
        limits: Lines before what the facts say of the limits.
    """
    return "\n".join(
        [
            f"# {name} {facts.version}",
            "",
            "Research use only: not for diagnosis.",
            "",
            "## Data",
            "",
            facts.data,
            *data,
            "",
            "## Licence",
            "",
            f"Weights: {facts.licence}. Data: {facts.data_licence}.",
            "",
            "## Figures",
            "",
            *figures,
            "",
            "## Limits",
            "",
            *limits,
            facts.limits,
            "",
            "## Command",
            "",
            "```console",
            facts.command,
            "```",
            "",
        ]
    )


def figure_rows(figures: Sequence[MetricSummary]) -> list[dict[str, object]]:
    """Return figures as plain data."""
    return [{**asdict(item), "interval": [item.interval.low, item.interval.high]} for item in figures]
