"""The processor: each unit ends in one state, its study folder is complete or absent."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote
from medpipe.io.nifti import read_label_map
from medpipe.io.study_folder import StudyFolder
from medpipe.runs.catalogue import STAGES
from medpipe.runs.folder.state import State
from medpipe.runs.unit import Unit, scratch_name, unit_of_scratch
from medpipe.runs.workers.outcome import Outcome
from medpipe.runs.workers.processor import Processor

if TYPE_CHECKING:
    from tests.runs.conftest import ToyRun

UNIT = Unit("st-1", "a.nii", fingerprint="bytes")
FULL = ("read", "measure", "sum")


def process(
    run: "ToyRun", *stages: str | tuple[str, dict[str, Any]], unit: Unit = UNIT, **settings: Any
) -> Outcome:
    processor = Processor(run.settings(run.pipeline(*stages), **settings))
    processor.open()
    return processor.process(unit)


def in_trouble(kind: str) -> tuple[str, dict[str, Any]]:
    return "sum", {"trouble": kind}


class TestOutcomes:
    def test_done(self, toy_run: "ToyRun") -> None:
        outcome = process(toy_run, *FULL)
        assert outcome.state is State.DONE
        assert outcome.reasons == ()
        assert (outcome.modality, outcome.form, outcome.num_images) == ("CT", "volume", 1)
        # Labels 0, 100 … 2300 add up to 27600, two rows, one finding; the last stage's value comes first.
        assert [value.value for value in outcome.values] == [27603.0, 1 / 3]

    def test_flagged_by_a_stage(self, toy_run: "ToyRun") -> None:
        outcome = process(toy_run, "read", ("measure", {"flagged": True}))
        assert outcome.state is State.FLAGGED
        assert [(item.code, item.message) for item in outcome.reasons] == [
            (Code.W_BOUNDS, "It touches (left)")
        ]

    def test_flagged_by_the_choice_of_input(self, toy_run: "ToyRun") -> None:
        note = GeometryNote(code=Code.W_SET_ASIDE, message="1 series set aside")
        outcome = process(toy_run, *FULL, unit=Unit("st-1", "a.nii", notes=(note,)))
        assert outcome.state is State.FLAGGED
        assert StudyFolder(toy_run.studies / "st-1").findings.flags[0].flag is Code.W_SET_ASIDE

    def test_refused_by_a_stage(self, toy_run: "ToyRun") -> None:
        outcome = process(toy_run, "read", "measure", in_trouble("refuse"))
        assert (outcome.state, outcome.stage) == (State.REFUSED, "sum")
        assert outcome.reasons[0].code is Code.E_GAP
        assert "found 5.00 mm" in outcome.reasons[0].message

    def test_refused_before_any_stage(self, toy_run: "ToyRun") -> None:
        refusal = RefusedError(Code.E_AMBIGUOUS, "2 series suit")
        outcome = process(toy_run, *FULL, unit=Unit("st-1", "a.nii", refusal=refusal))
        assert (outcome.state, outcome.stage) == (State.REFUSED, "index")
        assert toy_run.calls() == []

    @pytest.mark.parametrize(
        ("trouble", "code", "found"),
        [
            ("error", Code.E_STAGE, "KeyError"),
            ("retryable", Code.E_STAGE, "did not work"),
            ("memory", Code.E_MEMORY, "memory"),
            ("unreadable", Code.E_UNREADABLE, "Input/output error"),
        ],
    )
    def test_failed(self, trouble: str, code: Code, found: str, toy_run: "ToyRun") -> None:
        outcome = process(toy_run, "read", "measure", in_trouble(trouble))
        assert (outcome.state, outcome.stage) == (State.FAILED, "sum")
        assert outcome.reasons[0].code is code
        assert found in outcome.reasons[0].message
        assert not outcome.machine_fault

    def test_full_disk_is_the_machines_fault(self, toy_run: "ToyRun") -> None:
        outcome = process(toy_run, "read", "measure", in_trouble("disk full"))
        assert outcome.reasons[0].code is Code.E_DISK
        assert outcome.machine_fault

    def test_full_disk_before_the_first_stage_is_an_outcome_too(
        self, toy_run: "ToyRun", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path, **_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "mkdir", refuse)
        assert process(toy_run, *FULL).machine_fault

    @pytest.mark.parametrize("trouble", ["error", "disk full", "unreadable"])
    def test_messages_and_logs_say_where_but_not_who(
        self, trouble: str, toy_run: "ToyRun", caplog: pytest.LogCaptureFixture
    ) -> None:
        message = process(toy_run, "read", "measure", in_trouble(trouble)).reasons[0].message
        assert "toy_stages.py" in caplog.text  # where it happened
        assert "Mustermann" not in message + caplog.text
        assert "/in/" not in message
        assert "/out/" not in message

    def test_one_bad_unit_leaves_the_processor_fit_for_the_next(self, toy_run: "ToyRun") -> None:
        trouble = {"trouble": "error", "only": "st-1"}
        processor = Processor(toy_run.settings(toy_run.pipeline("read", "measure", ("sum", trouble))))
        processor.open()
        states = [
            processor.process(Unit(name, "", fingerprint="x")).state for name in ("st-0", "st-1", "st-2")
        ]
        assert states == [State.DONE, State.FAILED, State.DONE]


class TestFolders:
    @pytest.mark.parametrize("trouble", ["none", "refuse", "error", "disk full"])
    def test_scratch_is_removed(self, trouble: str, toy_run: "ToyRun") -> None:
        process(toy_run, "read", "measure", in_trouble(trouble))
        assert list((toy_run.folder / "work").iterdir()) == []

    def test_study_folder_holds_everything_that_was_given(self, toy_run: "ToyRun") -> None:
        process(toy_run, *FULL)
        assert set(toy_run.content("st-1")) == {
            "findings.json",
            "source.json",
            "provenance.json",
            "cards/toy-model-1.0.0.md",
            "figures/figures.json",
            "figures/toy.webp",
            "masks/masks.json",
            "masks/toy.nii.gz",
            "tables/toy.parquet",
            "read.txt",
            "measure.txt",
            "sum.txt",
        }
        mask = read_label_map(toy_run.studies / "st-1" / "masks" / "toy.nii.gz")
        np.testing.assert_array_equal(mask, np.arange(24, dtype=np.uint16).reshape(2, 3, 4) * 100)

    def test_study_folder_is_absent_when_a_document_fails(self, toy_run: "ToyRun") -> None:
        outcome = process(toy_run, "read", ("measure", {"trouble": "document"}), "sum")
        assert (outcome.state, outcome.stage) == (State.FAILED, "publish")
        assert list(toy_run.studies.iterdir()) == []

    @pytest.mark.parametrize("trouble", ["refuse", "error"])
    def test_results_of_an_earlier_run_do_not_outlive_the_state(
        self, trouble: str, toy_run: "ToyRun"
    ) -> None:
        process(toy_run, *FULL)
        process(toy_run, "read", "measure", in_trouble(trouble))
        assert list(toy_run.studies.iterdir()) == []

    def test_equal_units_give_equal_bytes(self, make_toy_run: "Callable[[str], ToyRun]") -> None:
        first, second = make_toy_run("first"), make_toy_run("second")
        process(first, *FULL)
        process(second, *FULL)
        assert first.content("st-1") == second.content("st-1")


class TestReuse:
    @pytest.fixture
    def whole(self, make_toy_run: "Callable[[str], ToyRun]") -> dict[str, bytes]:
        """Return the study folder of a run that was never interrupted."""
        run = make_toy_run("whole")
        process(run, "read", ("measure", {"flagged": True}), "sum")
        run.calls()
        return run.content("st-1")

    def interrupt(self, run: "ToyRun") -> None:
        """Do everything but the last step, as a killed process does."""
        pipeline = run.pipeline("read", ("measure", {"flagged": True}), "sum")
        processor = Processor(run.settings(pipeline, checkpoint_after_s=0.0))
        processor.open()
        work = processor.read(UNIT)
        processor.compute(work)
        assert run.calls() == ["read st-1", "measure st-1", "sum st-1"]
        assert not (run.studies / "st-1").exists()

    def test_finished_stages_are_not_run_again_and_the_bytes_are_the_same(
        self, toy_run: "ToyRun", whole: dict[str, bytes]
    ) -> None:
        self.interrupt(toy_run)
        outcome = process(toy_run, "read", ("measure", {"flagged": True}), "sum")
        assert outcome.state is State.FLAGGED
        assert toy_run.calls() == ["read st-1"]
        assert toy_run.content("st-1") == whole

    def test_checkpoint_is_removed_with_success(self, toy_run: "ToyRun") -> None:
        self.interrupt(toy_run)
        assert (toy_run.folder / "work" / "st-1").is_dir()
        process(toy_run, "read", ("measure", {"flagged": True}), "sum")
        assert [item for item in (toy_run.folder / "work").iterdir() if not unit_of_scratch(item.name)] == []

    def test_quick_stages_leave_no_checkpoint(self, toy_run: "ToyRun") -> None:
        process(toy_run, "read", "measure", in_trouble("error"))
        assert list((toy_run.folder / "work").iterdir()) == []

    def test_failed_unit_keeps_its_finished_stages_for_a_retry(self, toy_run: "ToyRun") -> None:
        process(toy_run, "read", "measure", in_trouble("error"), checkpoint_after_s=0.0)
        toy_run.calls()
        process(toy_run, *FULL)
        assert toy_run.calls() == ["read st-1", "sum st-1"]

    def test_only_changed_stages_and_later_ones_run_again(self, toy_run: "ToyRun") -> None:
        process(toy_run, *FULL)
        toy_run.calls()
        process(toy_run, "read", "measure", ("sum", {"value": 2.0}))
        assert toy_run.calls() == ["read st-1", "sum st-1"]
        process(toy_run, "read", ("measure", {"value": 2.0}), ("sum", {"value": 2.0}))
        assert toy_run.calls() == ["read st-1", "measure st-1", "sum st-1"]

    @pytest.mark.parametrize(
        ("unit", "settings"),
        [(Unit("st-1", "a.nii", fingerprint="other bytes"), {}), (UNIT, {"seed": 1})],
        ids=["content", "seed"],
    )
    def test_other_content_or_seed_runs_everything_again(
        self, unit: Unit, settings: dict[str, Any], toy_run: "ToyRun"
    ) -> None:
        process(toy_run, *FULL)
        toy_run.calls()
        process(toy_run, *FULL, unit=unit, **settings)
        assert toy_run.calls() == ["read st-1", "measure st-1", "sum st-1"]

    @pytest.mark.parametrize(
        "damage",
        [
            "findings.json",
            "provenance.json",
            "figures/figures.json",
            "masks/toy.nii.gz",
            "tables/toy.parquet",
        ],
    )
    @pytest.mark.parametrize("content", [b"", b"{}", None])
    def test_damaged_checkpoint_is_computed_again(
        self, damage: str, content: bytes | None, toy_run: "ToyRun", whole: dict[str, bytes]
    ) -> None:
        self.interrupt(toy_run)
        path = toy_run.folder / "work" / "st-1" / damage
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        outcome = process(toy_run, "read", ("measure", {"flagged": True}), "sum")
        assert outcome.state is State.FLAGGED
        assert toy_run.content("st-1") == whole

    def test_views_are_asked_for_again(self, toy_run: "ToyRun", monkeypatch: pytest.MonkeyPatch) -> None:
        catalogue = import_module("toy_stages").CATALOGUE
        monkeypatch.setitem(catalogue, "augment", STAGES["augment"])
        stages = ["read", ("augment", {"recipe": "ct", "views": 3}), "measure"]
        process(toy_run, *stages, ("look", {"trouble": "error"}), checkpoint_after_s=0.0)
        toy_run.calls()
        outcome = process(toy_run, *stages, "look")
        assert toy_run.calls() == ["read st-1", "look st-1"]
        assert outcome.values[0].value == 3.0

    def test_stage_that_changes_the_image_is_always_run(self, toy_run: "ToyRun") -> None:
        first = process(toy_run, "read", "shift", "mean")
        toy_run.calls()
        again = process(toy_run, "read", "shift", ("mean", {"value": 2.0}))
        assert toy_run.calls() == ["read st-1", "shift st-1", "mean st-1"]
        assert again.values == first.values

    def test_unreadable_leftovers_are_told_from_checkpoints(self) -> None:
        assert unit_of_scratch(scratch_name("st-1")) == "st-1"
        assert unit_of_scratch(scratch_name("knee.left-0123abcd")) == "knee.left-0123abcd"
        assert unit_of_scratch(".old-st-1") == "st-1"
        assert unit_of_scratch("st-1") == unit_of_scratch("knee.left-0123abcd") == ""
