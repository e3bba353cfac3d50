"""From studies to a package: what is learned from, what is kept aside, and what comes out."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

import medpipe
from medpipe.core.errors import SettingsError
from medpipe.core.volume import Volume
from medpipe.inference.classifier import load_classifier
from medpipe.inference.study_evaluation import read_answers
from medpipe.io.dicom.write import slices_of
from medpipe.runs.stages.classify import Classify, ClassifyParams
from medpipe.training.checkpoints import network_state
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe
from medpipe.training.classification.workflow import train_classification
from medpipe.training.folds import Fold
from medpipe.training.result import TrainingResult
from medpipe.zoo.package import read_package
from medpipe.zoo.trial import verify_package

from .conftest import FACTS, SpotStudies


def changed(recipe: ClassificationRecipe, **changes: Any) -> ClassificationRecipe:
    return ClassificationRecipe.model_validate({**recipe.model_dump(), **changes})


class TestPackage:
    def test_states_labels_scores_and_what_was_seen(self, trained: TrainingResult) -> None:
        assert trained.package is not None
        manifest = trained.package.classification
        assert [item.label.name for item in manifest.labels] == ["spot", "edge"]
        assert [item.num_positive + item.num_negative for item in manifest.labels] == [6, 6]
        assert [item.score.name for item in manifest.scores] == ["brightness"]
        assert manifest.seen is not None
        assert manifest.seen.gaps_mm == (4.0, 4.0)

    def test_is_valid_and_has_the_weights_of_the_last_part(
        self, trained: TrainingResult, folder: Path
    ) -> None:
        assert trained.package is not None
        verify_package(read_package(trained.package.path))
        last = network_state(folder / "3-whole" / "checkpoints" / "last.ckpt")
        found = trained.package.load_network().state_dict()
        # What it is familiar with is learned after the training.
        of_training = [name for name in last if not name.startswith("familiarity.")]
        assert of_training != list(last)
        # Stored in half precision.
        assert_close(
            {name: found[name].half() for name in of_training},
            {name: last[name].half() for name in of_training},
        )

    def test_calibrates_where_there_are_enough_studies(self, trained: TrainingResult) -> None:
        assert trained.package is not None
        for item in trained.package.classification.labels:
            assert item.calibration is not None
            assert item.calibration.num_cases == 10
            assert 0.0 < item.threshold < 1.0

    def test_card_says_how_it_was_trained(self, trained: TrainingResult) -> None:
        assert trained.package is not None
        card = trained.package.card
        assert "1 epochs of slices, then 2 epochs of aggregator, then 1 epochs of whole" in card
        assert "Trained on 6, 10 kept for figures; split by patient." in card


class TestAnswers:
    def test_are_of_the_studies_kept_aside(
        self, trained: TrainingResult, folder: Path, spot_studies: SpotStudies
    ) -> None:
        answers = read_answers(folder / "answers.csv")
        truth = {row["id"]: float(row["spot"]) for row in csv.DictReader(spot_studies.table.open())}
        spots = [item for item in answers if item.label == "spot"]
        assert len(spots) == 10
        assert all(item.truth == truth[item.case_id] for item in spots)

    def test_are_those_that_the_package_gives(
        self, trained: TrainingResult, folder: Path, spot_studies: SpotStudies
    ) -> None:

        assert trained.package is not None
        classifier = load_classifier(trained.package, "cpu")
        answers = {(item.case_id, item.label): item.logit for item in read_answers(folder / "answers.csv")}
        case_id = next(case_id for case_id, _ in answers)
        volume = medpipe.load(spot_studies.table.parent / f"{case_id}.nii.gz")
        assert isinstance(volume, Volume)
        found = classifier.classify(slices_of(volume)).answer.logits
        expected = torch.tensor([answers[case_id, name] for name in ("spot", "edge")], dtype=found.dtype)
        assert_close(found, expected, rtol=0, atol=0.02)  # weights rounded to half precision


class TestGoingOn:
    def test_the_same_call_trains_nothing_again(
        self,
        trained: TrainingResult,
        recipe: ClassificationRecipe,
        spot_studies: SpotStudies,
        folder: Path,
    ) -> None:
        before = network_state(trained.fit.checkpoint)
        study_set = read_studies(spot_studies.table, recipe, slices=spot_studies.slices)
        again = train_classification(recipe, study_set, folder, FACTS, validation=0.65)
        assert again.fit.steps == trained.fit.steps
        assert_close(network_state(again.fit.checkpoint), before, rtol=0, atol=0)

    def test_another_recipe_is_refused(
        self,
        trained: TrainingResult,
        recipe: ClassificationRecipe,
        spot_studies: SpotStudies,
        folder: Path,
    ) -> None:
        other = changed(recipe, seed=1)
        study_set = read_studies(spot_studies.table, other, slices=spot_studies.slices)
        with pytest.raises(SettingsError, match="another recipe"):
            train_classification(other, study_set, folder, FACTS, validation=0.65)


def test_figures_of_folds_stand_for_a_network_of_all_studies(
    recipe: ClassificationRecipe, spot_studies: SpotStudies, tmp_path: Path
) -> None:
    quick = changed(recipe, stages=[{"train": "whole", "epochs": 1, "batch_slices": 60}])
    study_set = read_studies(spot_studies.table, quick, slices=spot_studies.slices)
    folds = [tmp_path / "fold-1", tmp_path / "fold-2"]
    for index, place in enumerate(folds, start=1):
        train_classification(
            quick, study_set, place, FACTS, fold=Fold(index, 2), store_folder=tmp_path / "store"
        )
    found = train_classification(
        quick,
        study_set,
        tmp_path / "all",
        FACTS,
        validation=0,
        figures_from=folds,
        store_folder=tmp_path / "store",
    )
    assert found.package is not None
    assert {item.num_cases for item in found.figures if item.structure == "spot"} == {16}
    assert "Cross-validation in 2 folds over the same 16 studies" in found.package.card
    with pytest.raises(SettingsError, match="answered twice: study-"):
        train_classification(
            quick, study_set, tmp_path / "twice", FACTS, validation=0, figures_from=[folds[0], folds[0]]
        )


class TestBadInput:
    def test_labels_for_slices_that_do_not_exist_are_refused(
        self, recipe: ClassificationRecipe, spot_studies: SpotStudies, tmp_path: Path
    ) -> None:
        slices = tmp_path / "slices.csv"
        slices.write_text(spot_studies.slices.read_text() + "study-00,17,1\n")
        study_set = read_studies(spot_studies.table, recipe, slices=slices)
        with pytest.raises(SettingsError, match="slices that do not exist: found slice '17' among 5"):
            train_classification(recipe, study_set, tmp_path / "out", FACTS)

    def test_a_label_with_text_names_the_line(
        self, recipe: ClassificationRecipe, spot_studies: SpotStudies, tmp_path: Path
    ) -> None:
        table = tmp_path / "studies.csv"
        lines = spot_studies.table.read_text().splitlines()
        lines[1] = lines[1].replace(",p0,0,", ",p0,maybe,")
        table.write_text("\n".join(lines))
        with pytest.raises(SettingsError, match="maybe"):
            read_studies(table, recipe, images=spot_studies.table.parent)

    def test_columns_of_labels_that_are_not_there_are_refused(self, recipe: ClassificationRecipe) -> None:
        with pytest.raises(ValueError, match="columns names 'spott'"):
            changed(recipe, columns={"spott": "any"})


class TestStage:
    def test_refuses_packages_that_label_voxels(self) -> None:
        with pytest.raises(SettingsError, match="classifies nothing"):
            Classify(ClassifyParams(package="hippocampus"))
