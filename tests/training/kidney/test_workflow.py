"""A whole training: what it leaves behind, what it refuses, and that it goes on."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from medpipe.cli.main import app
from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.ehr.harmonise import harmonise
from medpipe.ehr.mapping import read_predicates
from medpipe.inference.kidney import load_forecaster
from medpipe.io.records.open_records import open_records
from medpipe.io.records.predictions import COLUMNS, GROUPS, NOTES, OPTIONAL, read_predictions
from medpipe.training.card import PackageFacts
from medpipe.training.kidney.figures import BOTH
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.kidney.workflow import FIGURES, PREDICTIONS, KidneyResult, train_kidney
from medpipe.zoo.package import read_package

FACTS = PackageFacts(
    version="0.1.0",
    data="Drawn stays.",
    data_licence="CC0-1.0",
    licence="Apache-2.0",
    limits="Drawn numbers only.",
    command="medpipe train aki",
)


@pytest.fixture(scope="session")
def trained(
    kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> KidneyResult:
    return train_kidney(kidney_recipe, task_folder, tmp_path_factory.mktemp("trained") / "out", FACTS)


def value_of(result: KidneyResult, model: str, metric: str) -> float:
    return next(item.value for item in result.figures if (item.model, item.metric) == (model, metric))


def test_network_and_trees_learn_what_creatinine_tells(trained: KidneyResult) -> None:
    assert value_of(trained, "ensemble", "AUROC") > 0.95
    assert value_of(trained, "trees", "AUROC") > 0.95
    assert value_of(trained, BOTH, "calibration error") < 0.15


def test_parts_and_prevalence_are_those_of_the_data(trained: KidneyResult) -> None:
    assert sum(trained.stays.values()) == 60
    (horizon,) = trained.horizons
    table = pq.read_table(trained.folder / PREDICTIONS)
    labels = table["label"].to_numpy()
    assert (horizon.steps, horizon.observable) == (len(labels), 1.0)
    assert horizon.prevalence == labels.mean()
    assert horizon.patients == trained.stays["test"] == len(set(table["subject_id"].to_pylist()))


def test_predictions_have_the_documented_columns_and_bounds_hold_the_probability(
    trained: KidneyResult,
) -> None:
    table = pq.read_table(trained.folder / PREDICTIONS)
    optional = {"onset_h": OPTIONAL["onset_h"], "sex": GROUPS["sex"], "age": GROUPS["age"]}
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {**COLUMNS, **optional, **NOTES}
    low, middle, high = (table[name].to_numpy() for name in ("low", "probability", "high"))
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert (low < high).any()
    onset_h, time_h = (table[name].to_numpy() for name in ("onset_h", "time_h"))
    assert np.isnan(onset_h).any()
    assert (onset_h[~np.isnan(onset_h)] > time_h[~np.isnan(onset_h)]).all()


def test_predictions_are_what_the_evaluation_reads(trained: KidneyResult) -> None:
    written = pq.read_table(trained.folder / PREDICTIONS)
    found = read_predictions(trained.folder / PREDICTIONS)
    np.testing.assert_allclose(found.probs, written["probability"].to_numpy(), rtol=1e-6)
    np.testing.assert_array_equal(found.labels, written["label"].to_numpy())
    sexes = {int(stay): "FM"[int(stay) % 2] for stay in found.subjects}  # as the task was written
    assert dict(zip(map(int, found.subjects), found.groups["sex"], strict=True)) == sexes
    assert ((found.groups["age"] >= 40) & (found.groups["age"] <= 80)).all()


def test_package_forecasts_what_the_training_predicted(trained: KidneyResult, task_folder: Path) -> None:
    assert trained.package is not None
    package = read_package(trained.folder / "package" / "small")
    assert package.digest == trained.package.digest
    forecaster = load_forecaster(package, "cpu")
    predicates = read_predicates("yaib")
    records = [harmonise(raw, predicates).record for raw in open_records(task_folder)]
    table = pq.read_table(trained.folder / PREDICTIONS)
    subjects, time_h, scores = (
        table[name].to_numpy(zero_copy_only=False) for name in ("subject_id", "time_h", "score")
    )
    judged = [record for record in records if record.patient_id in set(subjects)]
    for record, (stay,) in zip(judged, forecaster.forecast_many(judged), strict=True):
        own = subjects == record.patient_id
        np.testing.assert_array_equal(stay.end_h, time_h[own])
        # The package holds networks as float16.
        np.testing.assert_allclose(stay.scores[:, 0], scores[own], atol=0.02)


def test_card_states_task_data_prevalence_and_who_leads(trained: KidneyResult) -> None:
    assert trained.package is not None
    card, manifest = trained.package.card, trained.package.kidney
    assert "yaib6: the records' own labels" in card
    assert f"{trained.horizons[0].prevalence:.2%}" in card
    assert "CC0-1.0" in card
    assert "lead the" in card
    assert "of 1 horizons for networks and trees" in card
    area = value_of(trained, "trees", "AUROC")
    assert f"{area:.3f} (" in card
    assert manifest.tree_weight == trained.tree_weight.weight
    assert manifest.tree_weight in trained.tree_weight.areas
    assert manifest.thresholds == trained.thresholds
    assert (manifest.steps.bucket_h, manifest.steps.from_admission) == (1, True)
    assert manifest.seen.stays == trained.stays["train"]


def test_package_is_listed_described_and_verified(
    trained: KidneyResult, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(trained.folder / "package" / "small")
    result = CliRunner().invoke(app, ["models", "info", place])
    assert result.exit_code == 0
    assert "Acute kidney injury: yaib6" in result.output
    assert "every 1 h from the admission on" in result.output
    assert CliRunner().invoke(app, ["models", "verify", place]).exit_code == 0


def test_alerts_of_the_threshold_are_as_precise_as_asked(trained: KidneyResult) -> None:
    # Creatinine tells all: alerts are precise on the test patients too.
    (threshold,) = trained.thresholds
    assert threshold is not None
    table = pq.read_table(trained.folder / PREDICTIONS)
    alerts = table["probability"].to_numpy() >= threshold
    assert table["label"].to_numpy()[alerts].mean() > 0.25


def test_figures_are_written_as_they_are_returned(trained: KidneyResult) -> None:
    written = json.loads((trained.folder / FIGURES).read_text())
    assert [row["value"] for row in written["figures"]] == [item.value for item in trained.figures]
    assert written["stays"] == trained.stays
    assert written["split"] == "drawn by seed 0"
    assert written["tree_weight"]["weight"] == trained.tree_weight.weight
    assert {row["model"] for row in written["figures"]} >= {"network", "ensemble", "trees", BOTH}


def test_the_same_again_gives_the_same(
    trained: KidneyResult, kidney_recipe: KidneyRecipe, task_folder: Path
) -> None:
    before = (trained.folder / PREDICTIONS).read_bytes()
    assert train_kidney(kidney_recipe, task_folder, trained.folder).figures == trained.figures
    assert (trained.folder / PREDICTIONS).read_bytes() == before


def test_stays_of_another_preparation_are_refused(
    trained: KidneyResult, kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path: Path
) -> None:
    other = kidney_recipe.model_copy(update={"labs": ("urea",)})
    with pytest.raises(SettingsError, match="labs") as caught:
        train_kidney(other, task_folder, tmp_path / "out", store_folder=trained.folder / "stays")
    assert caught.value.code is Code.E_OUTPUT


def test_records_without_labels_do_not_suit_a_task_that_takes_them(
    kidney_recipe: KidneyRecipe, tmp_path: Path
) -> None:
    table = tmp_path / "events.csv"
    table.write_text("patient,time,code,value,unit\n1,0,creatinine,90,umol/L\n1,9,creatinine,90,umol/L\n")
    with pytest.raises(NoInputError, match="labels"):
        train_kidney(kidney_recipe, table, tmp_path / "out")


@pytest.mark.slow
def test_shuffled_labels_cannot_be_learned(
    kidney_recipe: KidneyRecipe, shuffled_folder: Path, tmp_path: Path
) -> None:
    result = train_kidney(kidney_recipe, shuffled_folder, tmp_path / "out")
    for model in ("ensemble", "trees"):
        assert 0.35 < value_of(result, model, "AUROC") < 0.65
