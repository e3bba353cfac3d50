"""Evaluation: a segmenter against the masks of cases, on their own grids."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.cases import SegmentationCase
from medpipe.data.reading import CaseImages, naming, read_case
from medpipe.inference.segmenter import Segmenter
from medpipe.metrics.bootstrap import Interval, bootstrap_interval
from medpipe.metrics.segmentation import TOLERANCE_MM, StructureScore
from medpipe.tasks.segmentation import SegmentationTask

_COLUMNS: Final = tuple(field.name for field in fields(StructureScore))
_NEWER: Final = {
    field.name: field.default for field in fields(StructureScore) if field.default is not MISSING
}
"""What stands for columns that older tables of scores lack."""

_SUMMARISED: Final = ("dice", "hausdorff95_mm", "assd_mm", "nsd", "volume_error_percent")


@dataclass(frozen=True, eq=False)
class CaseScore:
    """Scores of one case.

    Attributes:
        case_id: The case.
        structures: Score of each structure by name; empty for a case without a mask.
        outputs: What the score head gave, see :class:`medpipe.inference.segmenter.Segmentation`.
    """

    case_id: str
    structures: dict[str, StructureScore]
    outputs: torch.Tensor | None = None

    @property
    def mean_dice(self) -> float:
        """Mean Dice of its structures."""
        return float(np.mean([score.dice for score in self.structures.values()]))


@dataclass(frozen=True)
class MetricSummary:
    """A metric of one structure or score over all cases.

    Attributes:
        structure: Its name.
        metric: ``"dice"``, ``"hausdorff95_mm"``, ``"assd_mm"``, ``"nsd_at_1_mm"`` (with its tolerance) or
            ``"volume_error_percent"``; of a score those of :class:`medpipe.metrics.agreement.Agreement`.
        mean: Over cases where it is finite; correlations and scatter are of all cases together.
        interval: 95 % bootstrap interval of the mean over cases.
        num_cases: Cases that it is over.
    """

    structure: str
    metric: str
    mean: float
    interval: Interval
    num_cases: int


def score_cases(
    segmenter: Segmenter,
    task: SegmentationTask,
    cases: Sequence[SegmentationCase],
    *,
    tolerance_mm: float = TOLERANCE_MM,
    on_case: Callable[[CaseScore, CaseImages, npt.NDArray[np.uint8]], None] | None = None,
) -> tuple[CaseScore, ...]:
    """Segment and score cases one after the other, each on its own grid.

    Args:
        segmenter: What is evaluated.
        task: Its labels.
        cases: Cases with masks; where the network has a score head, masks may be missing.
        tolerance_mm: Of the normalised surface Dice.
        on_case: Called with score, files and prediction of each case.

    Raises:
        RefusedError: A file is at fault; names the case.
        SettingsError: A case has no mask.
    """
    known = frozenset(label.value for label in task.labels)
    scores = []
    for case in cases:
        files = read_case(case, known_labels=known)
        with naming(case.id):
            found = segmenter.segment(files.volumes)
        if files.label_map is None and found.scores is None:
            raise SettingsError(
                Code.E_DATASET,
                f"Case {case.id} has no mask to compare with",
                fix="Leave it out of the split.",
            )
        structures: dict[str, StructureScore] = {}
        if files.label_map is not None:
            grid = next(iter(files.volumes.values())).grid
            structures = dict(task.score(found.labels, files.label_map, grid, tolerance_mm=tolerance_mm))
        score = CaseScore(case.id, structures, found.scores)
        scores.append(score)
        if on_case is not None:
            on_case(score, files, found.labels)
    return tuple(scores)


def summarise_scores(scores: Sequence[CaseScore], *, seed: int = 0) -> tuple[MetricSummary, ...]:
    """Return mean and interval of each metric and structure; infinite distances are counted out.

    A metric that a case lacks, as older tables of scores lack some, is left out, and so is a normalised
    surface Dice of several tolerances.
    """
    summaries = []
    scores = [score for score in scores if score.structures]
    for structure in scores[0].structures if scores else ():
        found = [score.structures[structure] for score in scores]
        for metric in _SUMMARISED:
            values = np.array([getattr(item, metric) for item in found], dtype=float)
            tolerances = {item.nsd_tolerance_mm for item in found}
            if np.isnan(values).any() or (metric == "nsd" and len(tolerances) > 1):
                continue
            values = values[np.isfinite(values)]
            if len(values):
                name = f"nsd_at_{tolerances.pop():g}_mm" if metric == "nsd" else metric
                interval = bootstrap_interval(values, statistic=np.mean, seed=seed)
                summaries.append(MetricSummary(structure, name, float(values.mean()), interval, len(values)))
    return tuple(summaries)


def worst_first(scores: Sequence[CaseScore]) -> list[CaseScore]:
    """Return the cases that have a mask, by their mean Dice."""
    with_masks = [score for score in scores if score.structures]
    return sorted(with_masks, key=lambda score: (score.mean_dice, score.case_id))


def scores_csv(scores: Sequence[CaseScore]) -> str:
    """Return one row a case and structure, the worst case first; cases without a mask have none."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["case", "structure", *_COLUMNS])
    for score in worst_first(scores):
        for name, item in score.structures.items():
            writer.writerow([score.case_id, name, *(f"{getattr(item, column):.6g}" for column in _COLUMNS)])
    return buffer.getvalue()


def read_scores(path: Path) -> tuple[CaseScore, ...]:
    """Read what :func:`scores_csv` has made, in its order; metrics that an older table lacks are NaN.

    Raises:
        NoInputError: There is no such file.
        SettingsError: It is no table of scores.
    """
    if not path.is_file():
        raise NoInputError(Code.E_NO_INPUT, "There is no table of scores", found=f"no file {path}")
    structures: dict[str, dict[str, StructureScore]] = {}
    try:
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            full = {**_NEWER, **row}
            score = StructureScore(**{column: float(full[column]) for column in _COLUMNS})
            structures.setdefault(row["case"], {})[row["structure"]] = score
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(Code.E_DATASET, f"{path.name} is no table of scores", found=str(error)) from error
    return tuple(CaseScore(case_id, found) for case_id, found in structures.items())
