"""The whole way from a data set to a package: split, check, fit, evaluate, package."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.scores import FittedScore
from medpipe.data.bids_derivatives import read_bids
from medpipe.data.case_table import read_table
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.decathlon import read_decathlon
from medpipe.data.fact_table import with_facts
from medpipe.data.reading import find_faults
from medpipe.inference.evaluation import score_cases, scores_csv, summarise_scores
from medpipe.inference.score_evaluation import (
    score_results,
    summarise_results,
    with_intervals,
    write_predictions,
)
from medpipe.inference.segmenter import Segmenter
from medpipe.inference.tiling import Tiling
from medpipe.io.atomic import write_text
from medpipe.models.registry import build_network
from medpipe.tasks.segmentation import SegmentationTask
from medpipe.training.card import PackageFacts
from medpipe.training.checkpoints import network_state
from medpipe.training.folds import ONE_SPLIT, SPLITS, Fold, choose_split, refuse_held_out
from medpipe.training.result import TrainingResult
from medpipe.training.segmentation.cross_validation import SCORES, pooled_evidence
from medpipe.training.segmentation.data_module import case_reader
from medpipe.training.segmentation.fit import fit, network_arguments
from medpipe.training.segmentation.packaging import Evidence, package_training
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.training.segmentation.score_values import fit_scores, score_values
from medpipe.training.trainer import FitOptions


def read_cases(path: Path, *, facts: Path | None = None) -> CaseSet:
    """Read a data set: a CSV table, a BIDS derivative, or a Decathlon folder or ``dataset.json``.

    Args:
        path: Where it lies.
        facts: Table of further columns, such as scores; see :func:`medpipe.data.fact_table.with_facts`.

    Raises:
        NoInputError: There is none.
        SettingsError: It is not valid; says where.
    """
    case_set = _read_layout(path)
    return with_facts(case_set, facts) if facts else case_set


def _read_layout(path: Path) -> CaseSet:
    if path.suffix == ".csv":
        return read_table(path)
    if (path / "dataset_description.json").is_file():
        return read_bids(path)
    return read_decathlon(path)


def train_segmentation(
    recipe: TrainingRecipe,
    case_set: CaseSet,
    folder: Path,
    facts: PackageFacts,
    *,
    fold: Fold = ONE_SPLIT,
    validation: float = 0.2,
    figures_from: Sequence[Path] = (),
    options: FitOptions | None = None,
) -> TrainingResult:
    """Train, evaluate and package; the same call goes on where it stopped.

    Args:
        recipe: How to train.
        case_set: What to learn from.
        folder: Gets splits, checkpoints, logs, scores and the package.
        facts: What the card must say beside the figures.
        fold: Fold of a cross-validation.
        validation: Share of patients kept for validation where there are no folds; 0 trains on all.
        figures_from: Folders of finished folds, whose pooled scores are the figures of a network that is
            trained on all cases.
        options: How to work.

    Raises:
        RefusedError: Cases are at fault; names the first and says how many.
        SettingsError: Recipe, split and folder do not fit each other.
        MachineError: The disk is full, or the device is not there.
    """
    options = options or FitOptions()
    split, rule = choose_split(case_set, folder / SPLITS, fold, validation, recipe.schedule.seed)
    train, held_out = case_set.select(split.train), case_set.select(split.validation)
    refuse_held_out(figures_from, held_out)
    evidence = pooled_evidence(figures_from, recipe, case_set) if figures_from else None
    scores = fit_scores(recipe.scores, score_values(recipe.scores, train))
    _refuse_faults((*train, *held_out), recipe)
    _refuse_no_masks(train)
    result = fit(recipe, train, held_out, folder, options)
    if held_out:
        evidence = _evaluate(recipe, scores, result.checkpoint, held_out, folder, options.device)
    if evidence is None:
        return TrainingResult(result, (), None)
    learned = f"Trained on {len(train)}, {len(held_out)} kept for figures; split {rule}."
    words = f"{facts.data} {learned if held_out else 'Trained on all of them.'}"
    package = package_training(
        folder / "package", recipe, result.checkpoint, evidence, replace(facts, data=words), scores=scores
    )
    return TrainingResult(result, evidence.figures, package)


def _refuse_faults(cases: Sequence[SegmentationCase], recipe: TrainingRecipe) -> None:
    """Read every case once before any step is made: a fault found after an hour costs an hour."""
    score_values(recipe.scores, cases)
    faults = find_faults(cases, case_reader(recipe))
    if faults:
        first = next(iter(faults.values()))
        others = f" ({len(faults) - 1} more cases are at fault)" if len(faults) > 1 else ""
        raise RefusedError(first.code, first.what, found=first.found + others, fix=first.fix) from first


def _refuse_no_masks(train: Sequence[SegmentationCase]) -> None:
    if all(case.mask is None for case in train):
        raise SettingsError(
            Code.E_DATASET,
            "No case to train on has a mask, so the network could learn no mask",
            found=f"{len(train)} cases without",
            fix="Give some cases their masks; the others may go without where they have scores.",
        )


def _evaluate(
    recipe: TrainingRecipe,
    fitted: tuple[FittedScore, ...],
    checkpoint: Path,
    cases: Sequence[SegmentationCase],
    folder: Path,
    device: str,
) -> Evidence:
    network = build_network(recipe.network.name, network_arguments(recipe))
    network.load_state_dict(network_state(checkpoint))
    spec = recipe.preprocessing
    segmenter = Segmenter(network.to(device), spec, Tiling.of(spec), device)
    scores = score_cases(segmenter, SegmentationTask(recipe.labels), cases)
    write_text(folder / SCORES, scores_csv(scores))
    results = score_results(scores, cases, fitted)
    if fitted:
        write_predictions(folder, with_intervals(fitted, results), results)
    chosen = (
        "The checkpoint was chosen by its Dice on the same cases, which flatters it a little."
        if recipe.schedule.patience
        else "The last checkpoint was taken: these cases chose nothing."
    )
    words = f"Scored on {len(cases)} cases that were not trained on. {chosen}"
    return Evidence((*summarise_scores(scores), *summarise_results(results)), words, results)
