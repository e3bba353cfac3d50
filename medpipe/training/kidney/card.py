"""The card of a package of kidney injury: task, prevalence, and figures of networks and trees."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from medpipe.training.card import PackageFacts, sectioned_card
from medpipe.training.kidney.figures import BOTH, ENSEMBLE, TREES, Figure, Horizon
from medpipe.training.kidney.merging import TreeWeight
from medpipe.training.kidney.recipe import KidneyRecipe

_COLUMNS: Final = {ENSEMBLE: "networks", TREES: "trees", BOTH: "both"}
_DIFFERENCES: Final = {f"{ENSEMBLE} - {TREES}": "networks - trees", f"{BOTH} - {TREES}": "both - trees"}


class Judged(NamedTuple):
    """What the card tells of a training.

    Attributes:
        stays: Number of stays of each part.
        patients: Number of patients in all.
        split: How they were parted, in words.
        tree_weight: Weight of the trees, and what it was chosen by.
        thresholds: Of each horizon; None where none reaches the precision.
        horizons: What the test patients have.
        figures: On them.
    """

    stays: Mapping[str, int]
    patients: int
    split: str
    tree_weight: TreeWeight
    thresholds: Sequence[float | None]
    horizons: Sequence[Horizon]
    figures: Sequence[Figure]


def kidney_card(recipe: KidneyRecipe, facts: PackageFacts, judged: Judged) -> str:
    """Return the card of a training."""
    parts = ", ".join(f"{name} {number}" for name, number in judged.stays.items())
    return sectioned_card(
        recipe.name,
        facts,
        data=[f"{judged.patients} patients; stays: {parts}. Split by patient: {judged.split}."],
        figures=list(_figures(recipe, judged)),
        limits=[
            f"The outcome is {recipe.task.kind}, as stated above: figures of another rule or baseline are of "
            "another task, and never stand beside these in one table.",
            "Bounds of a risk tell of the spread of the networks alone, not of what was never seen.",
        ],
    )


def _figures(recipe: KidneyRecipe, judged: Judged) -> Iterator[str]:
    yield f"Task: {recipe.task.words}."
    yield ""
    yield (
        f"Of the {judged.stays['test']} stays of the test part, on which nothing was learned, chosen or "
        "calibrated. Figures are over steps of known outcome, with 95 % intervals from drawing patients:"
    )
    yield ""
    yield from _table(judged)
    yield ""
    yield from _leader(judged)
    yield ""
    yield "| horizon | test steps | outcome known | prevalence | patients | with the outcome | alerts from |"
    yield "|---|---|---|---|---|---|---|"
    for item, threshold in zip(judged.horizons, judged.thresholds, strict=True):
        alerts = "none" if threshold is None else f"{threshold:.3g}"
        yield (
            f"| {item.horizon_h:g} h | {item.steps} | {item.observable:.1%} | {item.prevalence:.2%} | "
            f"{item.patients} | {item.ill} | {alerts} |"
        )
    yield ""
    yield (
        f"Alerts from: the lowest risk at which {recipe.alert_precision:.0%} of the alerting steps of the "
        "calibration part have the outcome, which flatters a little; none where no risk reaches that."
    )
    yield ""
    yield _training(recipe)


def _table(judged: Judged) -> Iterator[str]:
    columns = {**_COLUMNS, **_DIFFERENCES}
    models = [name for name in columns if any(item.model == name for item in judged.figures)]
    yield f"| horizon | metric | {' | '.join(columns[name] for name in models)} |"
    yield "|---|---|" + "---|" * len(models)
    cells = {
        (item.horizon_h, item.metric, item.model): f"{item.value:.3f} ({item.low:.3f} to {item.high:.3f})"
        for item in judged.figures
    }
    for horizon_h, metric in dict.fromkeys((hours, metric) for hours, metric, _ in cells):
        row = " | ".join(cells.get((horizon_h, metric, name), "") for name in models)
        yield f"| {horizon_h:g} h | {metric} | {row} |"


def _leader(judged: Judged) -> Iterator[str]:
    """Say which model leads, and how trees and networks were merged."""
    found: dict[str, list[float]] = {}
    for item in judged.figures:
        if item.metric == "AUROC" and item.model in _COLUMNS:
            found.setdefault(item.model, []).append(item.value)
    areas = {name: float(np.mean(values)) for name, values in found.items()}
    if TREES not in areas:
        yield "No trees were trained to hold the networks against."
        return
    first, second = sorted((TREES, ENSEMBLE), key=lambda name: -areas[name])
    leads = "**Trees lead the networks**" if first == TREES else "Networks lead the trees"
    yield (
        f"{leads}: mean AUROC over the horizons {areas[first]:.3f} to {areas[second]:.3f}. "
        f"Both together have {areas[BOTH]:.3f}."
    )
    yield (
        f"The interval of the difference leaves out 0 at {_beyond_chance(judged, ENSEMBLE)} for networks and "
        f"trees, at {_beyond_chance(judged, BOTH)} for both together and trees."
    )
    weight = judged.tree_weight.weight
    tried = ", ".join(f"{area:.3f} at {tried:g}" for tried, area in judged.tree_weight.areas.items())
    yield (
        f"The score of this package is {weight:.0%} the trees' log-odds and {1 - weight:.0%} the networks' "
        f"mean, chosen by the mean AUROC of the validation part ({tried}), which also told both when to stop."
    )
    if weight == 1.0:
        yield "The networks have no part in the risks, which then have no spread; they forecast the labs."


def _beyond_chance(judged: Judged, model: str) -> str:
    """Return at how many horizons a model's AUROC differs from that of trees by more than chance."""
    differences = [
        item for item in judged.figures if (item.model, item.metric) == (f"{model} - {TREES}", "AUROC")
    ]
    number = sum(item.low > 0 or item.high < 0 for item in differences)
    return f"{number} of {len(differences)} horizons"


def _training(recipe: KidneyRecipe) -> str:
    seeds = ", ".join(map(str, recipe.seeds))
    networks = f"Networks: {recipe.network.name}, seeds {seeds}, at most {recipe.epochs} epochs"
    if recipe.trees is None:
        return f"{networks}."
    trees = f"LightGBM, at most {recipe.trees.rounds} of {recipe.trees.leaves} leaves a horizon"
    return f"{networks}. Trees: {trees}."
