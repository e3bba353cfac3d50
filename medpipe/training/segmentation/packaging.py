"""Packaging: a finished training as a model package with its card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medpipe.core.scores import FittedScore
from medpipe.inference.evaluation import MetricSummary
from medpipe.inference.score_evaluation import ScoreResult, with_intervals
from medpipe.training.checkpoints import network_state
from medpipe.training.segmentation.fit import network_arguments
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package


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


@dataclass(frozen=True)
class Evidence:
    """Figures and where they come from.

    Attributes:
        figures: Results on cases that the scored network has not seen.
        protocol: How they were got, in a sentence or two.
        results: Scores of those cases; empty where the network has none.
    """

    figures: tuple[MetricSummary, ...]
    protocol: str
    results: tuple[ScoreResult, ...] = ()


def package_training(
    folder: Path,
    recipe: TrainingRecipe,
    checkpoint: Path,
    evidence: Evidence,
    facts: PackageFacts,
    *,
    scores: Sequence[FittedScore] = (),
) -> Package:
    """Write the package of a training.

    Args:
        folder: Gets a folder named as the recipe.
        recipe: How the network was trained.
        checkpoint: Its weights.
        evidence: How good it is.
        facts: What only people know.
        scores: The recipe's scores with their scales.

    Raises:
        SettingsError: The network is too large for a package.
        MachineError: The disk is full.
    """
    arguments = {**network_arguments(recipe)}
    spec = SegmentationSpec(
        name=recipe.name,
        version=facts.version,
        summary=_summary(recipe),
        task=recipe.task,
        network=NetworkSpec(name=recipe.network.name, arguments=arguments),
        preprocessing=recipe.preprocessing,
        labels=recipe.labels,
        scores=with_intervals(scores, evidence.results),
        licence=facts.licence,
    )
    licence = (
        f"SPDX-License-Identifier: {facts.licence}\n\n"
        f"These weights were trained on: {facts.data}\nLicence of the data: {facts.data_licence}\n"
    )
    card = card_text(recipe, evidence, facts)
    return write_package(
        folder / recipe.name, spec, network_state(checkpoint), card=card, licence=licence, replace=True
    )


def _summary(recipe: TrainingRecipe) -> str:
    structures = ", ".join(label.code.meaning.lower() for label in recipe.labels)
    read = ", ".join(score.code.meaning for score in recipe.scores)
    return f"Segments {structures}" + (f"; reads {read}" if read else "")


def card_text(recipe: TrainingRecipe, evidence: Evidence, facts: PackageFacts) -> str:
    """Return the card in Markdown."""
    rows = [
        f"| {item.structure.replace('_', ' ')} | {item.metric.replace('_', ' ')} | {item.mean:.4g} "
        f"({item.interval.low:.4g} to {item.interval.high:.4g}) | {item.num_cases} |"
        for item in evidence.figures
    ]
    schedule = recipe.schedule
    return "\n".join(
        [
            f"# {recipe.name} {facts.version}",
            "",
            "Research use only: not for diagnosis.",
            "",
            "## Data",
            "",
            facts.data,
            "",
            "## Licence",
            "",
            f"Weights: {facts.licence}. Data: {facts.data_licence}.",
            "",
            "## Figures",
            "",
            f"{evidence.protocol} Means over cases, with 95 % bootstrap intervals:",
            "",
            f"| structure{' or score' if recipe.scores else ''} | metric | mean (95 % interval) | cases |",
            "|---|---|---|---|",
            *rows,
            "",
            f"This network: {schedule.steps} optimiser steps of {schedule.batch_size} patches, "
            f"seed {schedule.seed}, precision {schedule.precision}.",
            "",
            "## Limits",
            "",
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
