"""Training: one that was stopped and goes on equals one that never stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from medpipe.core.errors import MachineError, NoInputError, RefusedError, SettingsError
from medpipe.core.settings import parse_settings, validate_settings
from medpipe.data.cases import SegmentationCase
from medpipe.training.checkpoints import network_state
from medpipe.training.csv_log import CsvLog
from medpipe.training.segmentation.fit import fit
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.trainer import FitOptions

MakeRecipe = Callable[..., TrainingRecipe]


def stop_at(step: int) -> Callable[[str, int, int], None]:
    def progress(phase: str, done: int, total: int) -> None:
        if done == step:
            raise ConnectionAbortedError("stopped by the test")

    return progress


def test_training_that_was_stopped_goes_on_to_the_same_weights_and_losses(
    make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
) -> None:
    whole = fit(make_recipe(), cases[:3], cases[3:], tmp_path / "whole")
    with pytest.raises(ConnectionAbortedError):
        fit(make_recipe(), cases[:3], cases[3:], tmp_path / "stopped", FitOptions(progress=stop_at(5)))
    resumed = fit(make_recipe(), cases[:3], cases[3:], tmp_path / "stopped")
    assert resumed.steps == whole.steps == 6
    for name, value in network_state(whole.checkpoint).items():
        torch.testing.assert_close(network_state(resumed.checkpoint)[name], value, atol=1e-6, rtol=0)
    curves = [CsvLog(tmp_path / name / "logs" / "metrics.csv").curves() for name in ("whole", "stopped")]
    assert [step for step, _ in curves[0]["loss"]] == [2, 4, 6]
    for metric in ("loss", "dice", "dice_blob"):
        assert [point[0] for point in curves[0][metric]] == [point[0] for point in curves[1][metric]]
        values = [[value for _, value in points[metric]] for points in curves]
        assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_training_learns_the_blobs(
    make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
) -> None:
    recipe = make_recipe(steps=60, steps_per_epoch=20, validate_every=3)
    fit(recipe, cases[:3], cases[3:], tmp_path)
    assert CsvLog(tmp_path / "logs" / "metrics.csv").curves()["dice"][-1][1] > 0.8
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_data_workers_change_nothing(
    make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
) -> None:
    one = fit(make_recipe(steps=2), cases, (), tmp_path / "one")
    two = fit(make_recipe(steps=2), cases, (), tmp_path / "two", FitOptions(workers=1))
    for name, value in network_state(one.checkpoint).items():
        torch.testing.assert_close(network_state(two.checkpoint)[name], value, atol=0, rtol=0)


def test_early_stop_ends_a_training_that_gets_no_better(
    make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
) -> None:
    recipe = make_recipe(steps=40, patience=2)
    frozen = recipe.model_copy(
        update={"optimiser": recipe.optimiser.model_copy(update={"learning_rate": 1e-12})}
    )
    assert fit(frozen, cases[:3], cases[3:], tmp_path).steps < 40


class TestBadInput:
    def test_another_recipe_in_the_same_folder_is_refused(
        self, make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
    ) -> None:
        fit(make_recipe(steps=2), cases, (), tmp_path)
        with pytest.raises(SettingsError, match="another recipe"):
            fit(make_recipe(steps=4), cases, (), tmp_path)

    def test_no_case_to_train_on(self, make_recipe: MakeRecipe, tmp_path: Path) -> None:
        with pytest.raises(NoInputError, match="training set is empty"):
            fit(make_recipe(), (), (), tmp_path)

    def test_damaged_case_is_named(
        self, make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
    ) -> None:
        cut = tmp_path / "cut.nii.gz"
        cut.write_bytes(cases[0].images["image"].read_bytes()[:300])
        broken = SegmentationCase("broken", {"image": cut}, cases[0].mask)
        with pytest.raises(RefusedError, match="Case broken"):
            fit(make_recipe(), (broken,), (), tmp_path / "out")

    def test_full_disk_during_a_checkpoint_keeps_the_older_one(
        self,
        make_recipe: MakeRecipe,
        cases: tuple[SegmentationCase, ...],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        fit(make_recipe(steps=2), cases, (), tmp_path / "kept")
        before = (tmp_path / "kept" / "checkpoints" / "last.ckpt").read_bytes()

        def full(*arguments: object, **options: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", full)
        with pytest.raises(MachineError, match="No space left"):
            fit(make_recipe(steps=4), cases, (), tmp_path / "full")
        monkeypatch.undo()
        assert (tmp_path / "kept" / "checkpoints" / "last.ckpt").read_bytes() == before

    def test_damaged_checkpoint_is_refused(
        self, make_recipe: MakeRecipe, cases: tuple[SegmentationCase, ...], tmp_path: Path
    ) -> None:
        fit(make_recipe(steps=2), cases, (), tmp_path)
        (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"not a checkpoint")
        with pytest.raises(SettingsError, match=r"last\.ckpt cannot be read"):
            fit(make_recipe(steps=2), cases, (), tmp_path)

    def test_unknown_key_names_line_and_nearest(self, recipe_text: str) -> None:
        settings = parse_settings(recipe_text.replace("batch_size", "bach_size"), name="blob.yaml")
        with pytest.raises(SettingsError, match=r"unknown key 'bach_size'.*Did you mean 'batch_size'"):
            validate_settings(TrainingRecipe, settings)

    def test_orientation_must_be_of_the_body(self, recipe_text: str) -> None:
        text = recipe_text.replace("preprocessing:", "preprocessing:\n  orientation: [2, 1, 0]", 1)
        with pytest.raises(SettingsError, match=r"give the orientation as codes, not \(2, 1, 0\)"):
            validate_settings(TrainingRecipe, parse_settings(text, name="blob.yaml"))

    def test_override_of_an_unknown_part_is_refused(self, recipe_text: str, tmp_path: Path) -> None:
        path = tmp_path / "blob.yaml"
        path.write_text(recipe_text)
        assert read_recipe(path, overrides=("schedule.steps=8",)).schedule.steps == 8
        with pytest.raises(SettingsError, match="unknown key"):
            read_recipe(path, overrides=("timetable.steps=8",))
