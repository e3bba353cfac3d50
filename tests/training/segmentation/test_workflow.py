"""From a data set to a package that a pipeline uses."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medpipe.core.case import Case
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.findings import Laterality, Structure
from medpipe.data.decathlon import read_decathlon
from medpipe.io.study_folder import StudyFolder
from medpipe.runs.evaluate_segmentation import EvaluationRequest, evaluate_segmentation
from medpipe.runs.folder.state import State
from medpipe.runs.options import RunOptions
from medpipe.runs.single import load, run_stage
from medpipe.runs.stage import StageContext
from medpipe.runs.stages.segment import Segment, SegmentParams
from medpipe.runs.unit import Unit
from medpipe.training.card import PackageFacts
from medpipe.training.folds import Fold
from medpipe.training.result import TrainingResult
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.segmentation.workflow import read_cases, train_segmentation

FACTS = PackageFacts("0.1.0", "Simulated blobs.", "CC0", "CC0-1.0", "Simulated data only.", "pytest")


def test_figures_are_of_cases_that_were_not_trained_on(trained: tuple[TrainingResult, Path]) -> None:
    result, folder = trained
    split = json.loads((folder / "splits.json").read_text())["splits"][0]
    rows = (folder / "scores.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == set(split["validation"])
    assert not set(split["train"]) & set(split["validation"])
    dice = next(item for item in result.figures if item.metric == "dice")
    assert dice.mean > 0.8
    assert dice.interval.low <= dice.mean <= dice.interval.high


def test_package_gives_in_a_pipeline_what_evaluation_gave(
    trained: tuple[TrainingResult, Path], blob_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    result, folder = trained
    assert result.package is not None
    package = str(result.package.path)
    case_set = read_decathlon(blob_folder)
    evaluated = evaluate_segmentation(
        EvaluationRequest(package, splits=folder / "splits.json"), case_set, tmp_path / "evaluated"
    )
    assert [item.mean for item in evaluated] == pytest.approx(
        [item.mean for item in result.figures], abs=0.02
    )
    assert len(list((tmp_path / "evaluated" / "worst").glob("*_pred_*.webp"))) == 6

    scan = blob_folder / "images" / "case0.nii.gz"
    summary = run_stage(
        "segment", [scan], tmp_path / "run", params={"package": package}, options=RunOptions("cpu", workers=0)
    )
    assert summary.counts[State.DONE] + summary.counts[State.FLAGGED] == 1
    study = StudyFolder(next((tmp_path / "run" / "studies").iterdir()))
    blob = next(item for item in study.findings.findings if isinstance(item, Structure))
    mask = nib.load(study.path / "masks" / "image_blob.nii.gz")
    assert np.array_equal(mask.affine, nib.load(scan).affine)
    assert blob.volume_ml == pytest.approx(np.count_nonzero(mask.dataobj) / 1000)
    truth = np.asarray(nib.load(blob_folder / "labels" / "case0.nii.gz").dataobj)
    shared = np.count_nonzero((np.asarray(mask.dataobj) == 1) & (truth == 1))
    assert 2 * shared / (np.count_nonzero(mask.dataobj) + np.count_nonzero(truth)) > 0.8
    stage = next(record for record in study.provenance.stages if record.stage == "segment")
    assert stage.assets == {package: result.package.digest}


def test_both_sides_are_segmented_where_they_were_located(
    trained: tuple[TrainingResult, Path], blob_folder: Path
) -> None:
    package = trained[0].package
    assert package is not None
    stage = Segment(SegmentParams(package=str(package.path)))
    stage.open("cpu")
    crop = load(blob_folder / "images" / "case0.nii.gz")
    images = {"image": crop, "image_left": crop, "image_right": crop}
    context = StageContext("cpu", 0, Path(), Unit("x", "x"))
    case = stage(Case("x").with_(images=images), context)
    assert set(case.masks) == {"image_left_blob", "image_right_blob"}
    found = {item.source: item.laterality for item in case.findings if isinstance(item, Structure)}
    assert found == {"image_left": Laterality.LEFT, "image_right": Laterality.RIGHT}
    assert {mask.role for mask in case.masks.values()} == {"image"}
    assert list(case.cards) == [package.maker]


def test_folds_cover_every_case_once(
    make_recipe: Callable[..., TrainingRecipe], blob_folder: Path, tmp_path: Path
) -> None:
    case_set = read_decathlon(blob_folder)
    seen: list[str] = []
    for index in (1, 2):
        folder = tmp_path / str(index)
        train_segmentation(make_recipe(steps=2), case_set, folder, FACTS, fold=Fold(index, 2))
        rows = (folder / "scores.csv").read_text().splitlines()[1:]
        seen += [row.split(",")[0] for row in rows]
    assert sorted(seen) == [case.id for case in case_set.cases]


def test_training_on_all_cases_gives_no_package_without_figures(
    make_recipe: Callable[..., TrainingRecipe], blob_folder: Path, tmp_path: Path
) -> None:
    result = train_segmentation(
        make_recipe(steps=2), read_cases(blob_folder), tmp_path, FACTS, validation=0.0
    )
    assert result.package is None
    assert result.fit.checkpoint.exists()


def test_recipe_of_the_hippocampus_is_valid() -> None:
    recipe = read_recipe(Path(__file__).resolve().parents[3] / "pipelines" / "train" / "hippocampus.yaml")
    assert recipe.schedule.steps % recipe.schedule.steps_per_epoch == 0
    assert recipe.preprocessing.mirror_right


@pytest.mark.slow
def test_two_processes_train_together(blob_folder: Path, tmp_path: Path, recipe_text: str) -> None:
    (tmp_path / "blob.yaml").write_text(recipe_text)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from medpipe.data.decathlon import read_decathlon\n"
        "from medpipe.training.segmentation.fit import fit\n"
        "from medpipe.training.trainer import FitOptions\n"
        "from medpipe.training.segmentation.recipe import read_recipe\n"
        "cases = read_decathlon(Path(sys.argv[2])).cases\n"
        "print(fit(read_recipe(Path(sys.argv[1])), cases[:4], cases[4:], Path(sys.argv[3]),"
        " FitOptions(num_devices=2)).steps)\n"
    )
    (tmp_path / "train.py").write_text(script)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "29517",
    ]
    done = subprocess.run(
        [
            *command,
            str(tmp_path / "train.py"),
            str(tmp_path / "blob.yaml"),
            str(blob_folder),
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["6", "6"]
    assert (tmp_path / "out" / "checkpoints" / "last.ckpt").exists()


class TestBadInput:
    def test_faulty_case_is_found_before_any_step(
        self, make_recipe: Callable[..., TrainingRecipe], blob_folder: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "data"
        for name in ("images", "labels"):
            (copy / name).mkdir(parents=True)
            for path in (blob_folder / name).iterdir():
                (copy / name / path.name).write_bytes(path.read_bytes())
        values = np.asarray(nib.load(copy / "labels" / "case2.nii.gz").dataobj)
        nib.save(nib.Nifti1Image(values[:, :, :-1], np.eye(4)), copy / "labels" / "case2.nii.gz")
        with pytest.raises(RefusedError, match="case2"):
            train_segmentation(make_recipe(), read_decathlon(copy), tmp_path / "out", FACTS)
        assert not (tmp_path / "out" / "checkpoints").exists()

    def test_another_number_of_folds_in_the_same_folder_is_refused(
        self, make_recipe: Callable[..., TrainingRecipe], blob_folder: Path, tmp_path: Path
    ) -> None:
        case_set = read_decathlon(blob_folder)
        train_segmentation(make_recipe(steps=2), case_set, tmp_path, FACTS, fold=Fold(1, 2))
        with pytest.raises(SettingsError, match="another number of folds: found 2, expected 3"):
            train_segmentation(make_recipe(steps=2), case_set, tmp_path, FACTS, fold=Fold(1, 3))

    @pytest.mark.parametrize("text", ["0/2", "3/2", "x/2", "2"])
    def test_wrong_folds_are_refused(self, text: str) -> None:
        with pytest.raises(SettingsError, match="A fold is i/k"):
            Fold.parse(text)
