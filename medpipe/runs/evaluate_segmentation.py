"""Evaluation of a segmentation package on a data set: scores, intervals, pictures of the worst cases."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.reading import CaseImages, read_case
from medpipe.data.splits import read_splits
from medpipe.figures.mosaic import draw_mosaics
from medpipe.inference.evaluation import (
    CaseScore,
    MetricSummary,
    score_cases,
    scores_csv,
    summarise_scores,
    worst_first,
)
from medpipe.inference.score_evaluation import score_results, summarise_results, write_predictions
from medpipe.inference.segmenter import Segmenter, load_segmenter
from medpipe.io.atomic import write_bytes, write_text
from medpipe.metrics.segmentation import TOLERANCE_MM
from medpipe.runs.folder.book import Progress
from medpipe.tasks.cleaning import AS_PREDICTED, Cleaning
from medpipe.tasks.segmentation import SegmentationTask
from medpipe.training.card import figure_rows
from medpipe.zoo.finder import find_package

_NUM_WORST: Final = 3


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate.

    Attributes:
        package: Name or folder of a package.
        splits: File of splits; None for every case of the data set.
        part: Part of the split.
        fold: Fold of the split file, from 1.
        device: ``"cpu"`` or ``"cuda:N"``.
        tolerance_mm: Of the normalised surface Dice.
        cleaning: What is done to the label maps before they are scored.
    """

    package: str
    splits: Path | None = None
    part: str = "validation"
    fold: int = 1
    device: str = "cpu"
    tolerance_mm: float = TOLERANCE_MM
    cleaning: Cleaning = AS_PREDICTED


def evaluate_segmentation(
    request: EvaluationRequest, case_set: CaseSet, output: Path, *, progress: Progress | None = None
) -> tuple[MetricSummary, ...]:
    """Score a package and write ``scores.csv``, ``figures.json``, ``worst/`` and the scatter of scores.

    Args:
        request: What to evaluate.
        case_set: Cases with masks.
        output: Folder for the results.
        progress: Called as the work goes on.

    Raises:
        SettingsError: The package or the split is not valid.
        RefusedError: A case is at fault; names it.
        MachineError: The disk is full, or the weights are damaged.
    """
    package = find_package(request.package)
    segmenter = load_segmenter(package, request.device, cleaning=request.cleaning)
    task = SegmentationTask(package.segmentation.labels)
    cases = _chosen_cases(request, case_set)
    done = 0

    def on_case(score: CaseScore, files: CaseImages, pred: npt.NDArray[np.uint8]) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("run", done, len(cases))

    output.mkdir(parents=True, exist_ok=True)
    scores = score_cases(segmenter, task, cases, tolerance_mm=request.tolerance_mm, on_case=on_case)
    results = score_results(scores, cases, package.segmentation.scores)
    figures = (*summarise_scores(scores), *summarise_results(results))
    if package.segmentation.scores:
        write_predictions(output, package.segmentation.scores, results)
    write_text(output / "scores.csv", scores_csv(scores))
    write_text(output / "figures.json", json.dumps(figure_rows(figures), indent=1) + "\n")
    worst = [score.case_id for score in worst_first(scores)[:_NUM_WORST]]
    _draw_worst(segmenter, case_set.select(worst), output / "worst")
    return figures


def _chosen_cases(request: EvaluationRequest, case_set: CaseSet) -> tuple[SegmentationCase, ...]:
    if request.splits is None:
        return case_set.cases
    file = read_splits(request.splits, case_set)
    if not 1 <= request.fold <= len(file.splits):
        raise SettingsError(
            Code.E_SPLIT,
            f"{request.splits.name} has no fold {request.fold}",
            found=f"{len(file.splits)} folds",
        )
    parts = file.splits[request.fold - 1].parts()
    if not parts.get(request.part):
        raise SettingsError(
            Code.E_SPLIT,
            f"The split has no cases in the part {request.part!r}",
            fix="Choose train, validation or test.",
        )
    return case_set.select(parts[request.part])


def _draw_worst(segmenter: Segmenter, cases: tuple[SegmentationCase, ...], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for case in cases:
        files = read_case(case)
        volume = next(iter(files.volumes.values()))
        for kind, contours in (("pred", segmenter.segment(files.volumes).labels), ("gt", files.label_map)):
            for figure in draw_mosaics(
                volume.array[0].numpy(), volume.affine, modality=volume.modality, contours=contours
            ):
                write_bytes(folder / f"{case.id}_{kind}_{figure.name}.webp", figure.webp)
