"""A whole training of kidney injury: stays, split, networks, trees, calibration, figures, package."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.risk_spread import RiskSpread, calibrated
from medpipe.data.stay_splits import PartName
from medpipe.io.atomic import write_text
from medpipe.io.records.predictions import write_predictions
from medpipe.metrics.alerts import thresholds_at_precisions
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.text.code_vectors import CodeVectors
from medpipe.training.card import PackageFacts
from medpipe.training.kidney.calibration import fit_curves
from medpipe.training.kidney.card import Judged
from medpipe.training.kidney.code_start import (
    LookupStart,
    check_code_vectors,
    initial_vectors,
    lookup_start,
)
from medpipe.training.kidney.figures import (
    BOTH,
    ENSEMBLE,
    NETWORK,
    TREES,
    Figure,
    Horizon,
    figures_of,
    horizons_of,
)
from medpipe.training.kidney.fit import fit_network, risk_logits
from medpipe.training.kidney.labelled import labelled_stays
from medpipe.training.kidney.merging import TreeWeight, choose_weight, merged
from medpipe.training.kidney.packaging import Trained, package_kidney
from medpipe.training.kidney.predictions import groups_of, predictions_of
from medpipe.training.kidney.preparation import check_labs, prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.kidney.split import Parts, choose_split, parts_of
from medpipe.training.kidney.trees import Forests, fit_trees, require_trees
from medpipe.training.kidney.truth import StepTruth, check_outcomes, read_truth
from medpipe.training.trainer import FitOptions, start_folder
from medpipe.zoo.package import Package

STAYS: Final = "stays"
SPLIT, ENCODING, CALIBRATION = "patients.json", "encoding.json", "calibration.json"
FIGURES, PREDICTIONS = "figures.json", "predictions.parquet"
"""What lies in a training's folder, beside recipe, package, and a folder ``network-SEED`` for each seed."""

_HELD: Final[tuple[PartName, ...]] = ("validation", "calibration", "test")


@dataclass(frozen=True)
class KidneyResult:
    """What a training of kidney injury left behind.

    Attributes:
        folder: Networks, encoding, calibration, figures, predictions and package.
        horizons: What the test patients have of each horizon.
        figures: Of networks, trees and both on them.
        stays: Number of stays of each part.
        split: How patients were parted, in words.
        tree_weight: Weight of the trees, and what it was chosen by.
        thresholds: Least risk of an alert for each horizon; None where none reaches the precision.
        lookups: How much of the networks began with vectors of codes; None where nothing did.
        package: The package; None where nothing was told for its card.
    """

    folder: Path
    horizons: tuple[Horizon, ...]
    figures: tuple[Figure, ...]
    stays: Mapping[str, int]
    split: str
    tree_weight: TreeWeight
    thresholds: tuple[float | None, ...]
    lookups: LookupStart | None = None
    package: Package | None = None


class _Said(NamedTuple):
    """What was said of the steps of a part: ``(S, N, H)`` by networks, ``(N, H)`` by trees, and what came."""

    logits: Array
    trees: Array | None
    truth: StepTruth


def train_kidney(
    recipe: KidneyRecipe,
    records: Path,
    folder: Path,
    facts: PackageFacts | None = None,
    *,
    predicates: str = "",
    store_folder: Path | None = None,
    options: FitOptions | None = None,
) -> KidneyResult:
    """Train, merge, calibrate, judge and package; the same call on the same folder goes on where it stopped.

    Args:
        recipe: How to train.
        records: Health records in any form that is read.
        folder: Gets everything.
        facts: What the card must say beside the figures; None for no package.
        predicates: See :func:`prepare_stays`.
        store_folder: Of the prepared stays, where several trainings share them; in ``folder`` by default.
        options: How to work.

    Raises:
        NoInputError: There are no records, or no stay that has a step.
        SettingsError: The folder holds another training, or records and recipe do not fit.
        MachineError: The disk is full, the device is not there, or LightGBM or gensim is asked for and
            missing.
    """
    options = options or FitOptions()
    if recipe.trees is not None:
        require_trees()
    check_code_vectors(recipe)
    start_folder(folder, recipe)
    store = prepare_stays(
        recipe, records, store_folder or folder / STAYS, predicates=predicates, progress=options.progress
    )
    check_labs(store)
    split = choose_split(recipe, store, records, folder / SPLIT)
    parts = parts_of(store, split)
    encoding = fit_encoding(store, parts["train"], recipe.inputs, seed=recipe.split_seed)
    write_text(folder / ENCODING, encoding.model_dump_json(indent=1) + "\n")
    reader = StayReader(store, encoding)
    check_outcomes(read_truth(store, parts["calibration"]).outcomes, recipe.task.horizons_h)

    vectors = initial_vectors(recipe, store, parts["train"], folder)
    networks = _networks(recipe, reader, parts, folder, options, vectors)
    forests = _forests(recipe, reader, parts)
    validation, calibration, test = (
        _said(recipe, reader, parts[part], networks, forests, options.device) for part in _HELD
    )
    weight = choose_weight(validation.logits, validation.trees, validation.truth.outcomes)
    aside = merged(calibration.logits, calibration.trees, weight.weight)
    curves = fit_curves(aside, calibration.truth.outcomes)
    _write_json(folder / CALIBRATION, [curve.model_dump(mode="json") for curve in curves])
    thresholds = _thresholds(recipe, calibrated(aside, curves), calibration.truth)
    risks = calibrated(merged(test.logits, test.trees, weight.weight), curves)
    _write_predictions(recipe, reader, test, weight.weight, risks, folder)
    result = KidneyResult(
        folder,
        horizons_of(test.truth.outcomes, test.truth.patients, recipe.task.horizons_h),
        _figures(recipe, test, weight.weight, risks),
        {name: len(stays) for name, stays in parts.items()},
        split.words,
        weight,
        thresholds,
        None if vectors is None else lookup_start(vectors, encoding, store, parts["train"]),
    )
    _write_json(folder / FIGURES, figures_data(result))
    if facts is None:
        return result
    trees = forests.module() if forests is not None and weight.weight > 0 else None
    judged = Judged(
        result.stays,
        len(split.part_of()),
        result.split,
        weight,
        thresholds,
        result.horizons,
        result.figures,
    )
    package = package_kidney(
        recipe, reader, parts["train"], Trained(networks, trees, curves), judged, facts, folder
    )
    return replace(result, package=package)


def figures_data(result: KidneyResult) -> dict[str, object]:
    """Return figures as plain data."""
    return {
        "stays": dict(result.stays),
        "split": result.split,
        "tree_weight": {
            "weight": result.tree_weight.weight,
            "validation_auroc": {f"{weight:g}": area for weight, area in result.tree_weight.areas.items()},
        },
        "thresholds": list(result.thresholds),
        "horizons": [item._asdict() for item in result.horizons],
        "figures": [item._asdict() for item in result.figures],
        **({} if result.lookups is None else {"code_vectors": result.lookups._asdict()}),
    }


def _networks(
    recipe: KidneyRecipe,
    reader: StayReader,
    parts: Parts,
    folder: Path,
    options: FitOptions,
    vectors: CodeVectors | None,
) -> tuple[AkiRnn, ...]:
    return tuple(
        fit_network(
            recipe,
            reader,
            folder / f"network-{seed}",
            train=parts["train"],
            validation=parts["validation"],
            seed=seed,
            options=options,
            vectors=vectors,
        ).cpu()
        for seed in recipe.seeds
    )


def _forests(recipe: KidneyRecipe, reader: StayReader, parts: Parts) -> Forests | None:
    if recipe.trees is None:
        return None
    train, validation = (
        (reader.table(stays), read_truth(reader.store, stays).outcomes)
        for stays in (
            labelled_stays(reader.store, parts["train"], recipe.labelled, seed=recipe.split_seed),
            parts["validation"],
        )
    )
    return fit_trees(recipe.trees, train=train, validation=validation, seed=recipe.split_seed)


def _said(
    recipe: KidneyRecipe,
    reader: StayReader,
    stays: tuple[int, ...],
    networks: tuple[AkiRnn, ...],
    forests: Forests | None,
    device: str,
) -> _Said:
    logits = []
    for network in networks:
        logits.append(
            risk_logits(
                network,
                reader,
                stays,
                batch_stays=recipe.batch_stays,
                window=recipe.window,
                device=device,
            )
        )
        network.cpu()
    trees = None if forests is None else forests.log_odds(reader.table(stays))
    return _Said(np.stack(logits), trees, read_truth(reader.store, stays))


def _thresholds(recipe: KidneyRecipe, risks: RiskSpread, truth: StepTruth) -> tuple[float | None, ...]:
    """Return the lowest risk of each horizon at which alerts are precise enough."""
    found = [
        thresholds_at_precisions(probs, outcomes, (recipe.alert_precision,))[0]
        for probs, outcomes in zip(risks.probs.T, truth.outcomes.T, strict=True)
    ]
    return tuple(None if np.isnan(threshold) else float(threshold) for threshold in found)


def _figures(recipe: KidneyRecipe, test: _Said, weight: float, risks: RiskSpread) -> tuple[Figure, ...]:
    scores = {NETWORK: test.logits[0], ENSEMBLE: test.logits.mean(axis=0)}
    if test.trees is not None:
        both = merged(test.logits, test.trees, weight).mean(axis=0)
        scores |= {TREES: test.trees, BOTH: both}
    return figures_of(scores, risks.probs, test.truth.outcomes, test.truth.patients, recipe.task.horizons_h)


def _write_predictions(
    recipe: KidneyRecipe, reader: StayReader, test: _Said, weight: float, risks: RiskSpread, folder: Path
) -> None:
    scores = merged(test.logits, test.trees, weight).mean(axis=0)
    groups = groups_of(reader.store.items)
    table = predictions_of(test.truth, risks, scores, recipe.task.horizons_h, groups)
    write_predictions(folder / PREDICTIONS, [table])


def _write_json(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=1) + "\n")
