"""A whole training of kidney injury: stays, split, networks, trees, calibration, figures, predictions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_splits import (
    PARTS,
    PartName,
    PatientSplit,
    read_patient_split,
    split_patients,
    write_patient_split,
)
from medpipe.io.atomic import write_text
from medpipe.text.code_vectors import CodeVectors
from medpipe.training.kidney.calibration import RiskSpread, calibrated, fit_curves
from medpipe.training.kidney.code_start import (
    LookupStart,
    check_code_vectors,
    initial_vectors,
    lookup_start,
)
from medpipe.training.kidney.figures import Figure, Horizon, figures_of, horizons_of
from medpipe.training.kidney.fit import fit_network, risk_logits
from medpipe.training.kidney.predictions import write_predictions
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.kidney.trees import require_trees, tree_scores
from medpipe.training.trainer import FitOptions, start_folder

STAYS: Final = "stays"
SPLIT, ENCODING, CALIBRATION = "patients.json", "encoding.json", "calibration.json"
FIGURES, PREDICTIONS = "figures.json", "predictions.parquet"
"""What lies in a training's folder, beside the recipe and a folder ``network-SEED`` for each seed."""

Parts = Mapping[PartName, tuple[int, ...]]


@dataclass(frozen=True)
class KidneyResult:
    """What a training of kidney injury left behind.

    Attributes:
        folder: Networks, encoding, calibration, figures and predictions.
        horizons: What the test patients have of each horizon.
        figures: Of network, ensemble and trees on them.
        stays: Number of stays of each part.
        lookups: How much of the networks began with vectors of codes; None where nothing did.
    """

    folder: Path
    horizons: tuple[Horizon, ...]
    figures: tuple[Figure, ...]
    stays: Mapping[str, int]
    lookups: LookupStart | None = None


class _Truth(NamedTuple):
    """Of all N steps of some stays: patient, stay, hour, ``(N, H)`` outcomes, next onset."""

    patients: npt.NDArray[np.str_]
    stays: npt.NDArray[np.str_]
    time_h: Array
    outcomes: Array
    onset_h: Array


def train_kidney(
    recipe: KidneyRecipe,
    records: Path,
    folder: Path,
    *,
    predicates: str = "",
    store_folder: Path | None = None,
    options: FitOptions | None = None,
) -> KidneyResult:
    """Train, calibrate and judge; the same call on the same folder goes on where it stopped.

    Args:
        recipe: How to train.
        records: Health records in any form that is read.
        folder: Gets everything.
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
    parts = _parts(store, _split(recipe, store, folder / SPLIT))
    encoding = fit_encoding(store, parts["train"], recipe.inputs, seed=recipe.split_seed)
    write_text(folder / ENCODING, encoding.model_dump_json(indent=1) + "\n")
    reader = StayReader(store, encoding)
    aside = _truth(store, parts["calibration"])
    _check_outcomes(aside.outcomes, recipe.task.horizons_h)
    vectors = initial_vectors(recipe, store, parts["train"], folder)
    to_calibrate, to_judge = _ensemble(recipe, reader, parts, folder, options, vectors)
    curves = fit_curves(to_calibrate, aside.outcomes)
    curves_data = [curve.model_dump(mode="json") for curve in curves]
    write_text(folder / CALIBRATION, json.dumps(curves_data, indent=1) + "\n")
    result = _judge(recipe, reader, parts, folder, to_judge, calibrated(to_judge, curves))
    if vectors is not None:
        result = replace(result, lookups=lookup_start(vectors, encoding, store, parts["train"]))
    write_text(folder / FIGURES, json.dumps(figures_data(result), indent=1) + "\n")
    return result


def figures_data(result: KidneyResult) -> dict[str, object]:
    """Return figures as plain data."""
    return {
        "stays": dict(result.stays),
        "horizons": [item._asdict() for item in result.horizons],
        "figures": [item._asdict() for item in result.figures],
        **({} if result.lookups is None else {"code_vectors": result.lookups._asdict()}),
    }


def _judge(
    recipe: KidneyRecipe, reader: StayReader, parts: Parts, folder: Path, logits: Array, risks: RiskSpread
) -> KidneyResult:
    """Write the predictions of the test stays, ``(S, N, H)`` logits of which are given, and judge them."""
    judged = _truth(reader.store, parts["test"])
    scores = {"network": logits[0], "ensemble": logits.mean(axis=0)}
    if recipe.trees is not None:
        scores["trees"] = _trees(recipe, reader, parts)
    write_predictions(
        folder / PREDICTIONS,
        who=(judged.patients, judged.stays),
        time_h=judged.time_h,
        horizons_h=recipe.task.horizons_h,
        risks=risks,
        scores=scores["ensemble"],
        truth=judged.outcomes,
        onset_h=judged.onset_h,
    )
    return KidneyResult(
        folder,
        horizons_of(judged.outcomes, judged.patients, recipe.task.horizons_h),
        figures_of(scores, risks.probs, judged.outcomes, judged.patients, recipe.task.horizons_h),
        {name: len(stays) for name, stays in parts.items()},
    )


def _split(recipe: KidneyRecipe, store: RaggedStore, path: Path) -> PatientSplit:
    """Return the split of a file, or a new one, which is written there."""
    outcomes: dict[str, bool] = {}
    for item in store.items:
        outcomes[item["patient"]] = outcomes.get(item["patient"], False) or item["has_event"]
    if path.exists():
        return read_patient_split(path, list(outcomes))
    split = split_patients(outcomes, recipe.split, seed=recipe.split_seed)
    write_patient_split(path, split)
    return split


def _parts(store: RaggedStore, split: PatientSplit) -> Parts:
    part_of = split.part_of()
    return {
        part: tuple(number for number, item in enumerate(store.items) if part_of[item["patient"]] == part)
        for part in PARTS
    }


def _truth(store: RaggedStore, stays: Sequence[int]) -> _Truth:
    lengths = store.lengths("end_h")[list(stays)]
    names = [
        np.repeat([str(store.items[stay][key]) for stay in stays], lengths) for key in ("patient", "stay")
    ]
    columns = [
        np.concatenate([store.read(stay, name) for stay in stays]).astype(np.float64)
        for name in ("end_h", "risks", "onset_h")
    ]
    return _Truth(names[0], names[1], *columns)


def _check_outcomes(outcomes: Array, horizons_h: tuple[float, ...]) -> None:
    for horizon_h, column in zip(horizons_h, outcomes.T, strict=True):
        known = column[np.isfinite(column)]
        if len(np.unique(known)) < 2:
            raise SettingsError(
                Code.E_SPLIT,
                f"A curve of calibration needs both outcomes within {horizon_h:g} h",
                found=f"{len(known)} known steps, {int(known.sum())} with the outcome",
                fix="Give more patients, or a larger share for calibration.",
            )


def _ensemble(
    recipe: KidneyRecipe,
    reader: StayReader,
    parts: Parts,
    folder: Path,
    options: FitOptions,
    vectors: CodeVectors | None,
) -> tuple[Array, Array]:
    """Return ``(S, N, H)`` logits of the calibration stays, and of the test stays."""
    found: tuple[list[Array], list[Array]] = ([], [])
    for seed in recipe.seeds:
        network = fit_network(
            recipe,
            reader,
            folder / f"network-{seed}",
            train=parts["train"],
            validation=parts["validation"],
            seed=seed,
            options=options,
            vectors=vectors,
        )
        for logits, part in zip(found, ("calibration", "test"), strict=True):
            stays = parts[part]  # type: ignore[index]  # a literal of its keys
            logits.append(
                risk_logits(
                    network,
                    reader,
                    stays,
                    batch_stays=recipe.batch_stays,
                    window=recipe.window,
                    device=options.device,
                )
            )
        network.cpu()
    return np.stack(found[0]), np.stack(found[1])


def _trees(recipe: KidneyRecipe, reader: StayReader, parts: Parts) -> Array:
    """Return ``(N, H)`` the trees' log-odds of the test stays."""
    assert recipe.trees is not None
    known = [
        (reader.table(parts[part]), _truth(reader.store, parts[part]).outcomes)
        for part in ("train", "validation")
    ]
    (scores,) = tree_scores(
        recipe.trees,
        train=known[0],
        validation=known[1],
        tables=(reader.table(parts["test"]),),
        seed=recipe.split_seed,
    )
    return scores
