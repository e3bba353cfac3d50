"""Packaging: a finished training as a model package with its card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medpipe.core.scores import FittedScore
from medpipe.inference.evaluation import MetricSummary
from medpipe.inference.score_evaluation import ScoreResult, with_intervals
from medpipe.training.card import PackageFacts, card_text, licence_text
from medpipe.training.checkpoints import network_state
from medpipe.training.segmentation.fit import network_arguments
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package


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
    schedule = recipe.schedule
    card = card_text(
        recipe.name,
        facts,
        evidence.figures,
        protocol=evidence.protocol,
        subject="structure or score" if recipe.scores else "structure",
        training=f"This network: {schedule.steps} optimiser steps of {schedule.batch_size} patches, "
        f"seed {schedule.seed}, precision {schedule.precision}.",
    )
    return write_package(
        folder / recipe.name,
        spec,
        network_state(checkpoint),
        card=card,
        licence=licence_text(facts),
        replace=True,
    )


def _summary(recipe: TrainingRecipe) -> str:
    structures = ", ".join(label.code.meaning.lower() for label in recipe.labels)
    read = ", ".join(score.code.meaning for score in recipe.scores)
    return f"Segments {structures}" + (f"; reads {read}" if read else "")
