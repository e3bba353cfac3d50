"""Tables of scores and their figures: new metrics, tolerances, tables of before there were any."""

from math import inf, isnan
from pathlib import Path

import pytest

from medpipe.core.errors import SettingsError
from medpipe.inference.evaluation import CaseScore, read_scores, scores_csv, summarise_scores
from medpipe.metrics.segmentation import StructureScore

OLD = """case,structure,dice,hausdorff95_mm,gt_volume_ml,pred_volume_ml
a,head,0.8,2.5,1.5,1.2
b,head,0.9,1,2,2
"""


def case(name: str, dice: float = 0.9, tolerance_mm: float = 1.0, assd_mm: float = 0.5) -> CaseScore:
    return CaseScore(name, {"head": StructureScore(dice, 2.0, 1.0, 1.1, assd_mm, 0.95, tolerance_mm)})


def written(folder: Path, text: str) -> Path:
    (folder / "scores.csv").write_text(text)
    return folder / "scores.csv"


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = (case("b", 0.7), case("a", assd_mm=inf))
    again = read_scores(written(tmp_path, scores_csv(scores)))
    assert [(item.case_id, item.structures) for item in again] == [
        (item.case_id, item.structures) for item in scores
    ]


def test_figures_name_the_tolerance_and_count_infinite_distances_out() -> None:
    figures = summarise_scores((case("a", tolerance_mm=0.5), case("b", tolerance_mm=0.5, assd_mm=inf)))
    assert [item.metric for item in figures] == [
        *("dice", "hausdorff95_mm", "assd_mm", "nsd_at_0.5_mm", "volume_error_percent")
    ]
    assert [item.num_cases for item in figures] == [2, 2, 1, 2, 2]


def test_surface_dice_of_several_tolerances_is_not_averaged() -> None:
    figures = summarise_scores((case("a", tolerance_mm=1.0), case("b", tolerance_mm=2.0)))
    assert [item.metric for item in figures] == ["dice", "hausdorff95_mm", "assd_mm", "volume_error_percent"]


def test_older_tables_are_read_and_give_the_figures_that_they_have(tmp_path: Path) -> None:
    scores = read_scores(written(tmp_path, OLD))
    assert [item.structures["head"].dice for item in scores] == [0.8, 0.9]
    assert isnan(scores[0].structures["head"].nsd)
    for given in (scores, (*scores, case("c"))):
        figures = summarise_scores(given)
        assert [item.metric for item in figures] == ["dice", "hausdorff95_mm", "volume_error_percent"]
        assert {item.num_cases for item in figures} == {len(given)}


@pytest.mark.parametrize(
    "text", [OLD.replace("dice", "overlap"), OLD.replace("0.8", "good"), OLD + "c,head\n"]
)
def test_what_is_no_table_of_scores_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="no table of scores"):
        read_scores(written(tmp_path, text))
