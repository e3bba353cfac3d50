"""The store of slices: complete or absent, the same however it came to be, rebuilt when it is stale."""

import multiprocessing
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError, RefusedError, ShapeError
from medpipe.data import slice_store_writer
from medpipe.data.slice_store import INDEX_FILE, SLICES_FILE, PreparedStudy, SliceStore
from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudyCase

Prepare = Callable[[StudyCase], PreparedStudy]


@pytest.fixture
def cases(tmp_path: Path) -> list[StudyCase]:
    """Return ``s0`` to ``s3``, each with a file of its own."""
    found = []
    for number in range(4):
        path = tmp_path / "scans" / f"{number}.nii"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * number)
        found.append(StudyCase(f"s{number}", path))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stores" / "small"


def opened(folder: Path, cases: list[StudyCase], prepare: Prepare, **options: object) -> SliceStore:
    return open_slice_store(folder, cases, prepare, **{"settings": "3 x 4", **options})


def content(folder: Path) -> tuple[bytes, bytes]:
    return (folder / SLICES_FILE).read_bytes(), (folder / INDEX_FILE).read_bytes()


def left_over(folder: Path) -> list[str]:
    """Return what lies beside a store, the lock aside."""
    return sorted(
        path.name for path in folder.parent.iterdir() if path.name not in {folder.name, ".small.lock"}
    )


class Failing:
    """Prepares until a case, then raises."""

    def __init__(self, prepare: Prepare, errors: dict[str, BaseException]) -> None:
        self._prepare = prepare
        self._errors = errors

    def __call__(self, case: StudyCase) -> PreparedStudy:
        if case.id in self._errors:
            raise self._errors[case.id]
        return self._prepare(case)


def test_studies_come_back_as_they_were_prepared(
    folder: Path, cases: list[StudyCase], ramps: Prepare
) -> None:
    store = opened(folder, cases[::-1], ramps)
    assert store.ids == ("s0", "s1", "s2", "s3")
    assert store.size == (3, 4)
    assert store.num_slices("s2") == 4
    assert store.keys("s2") == ("0", "1", "2", "3")
    assert store.gaps_mm("s2").tolist() == [0.0, 5.0, 5.0, 5.0]
    assert store.window("s2").tolist() == [0.0, 82.0]
    assert store.slices("s2")[:, 2, 3].tolist() == [200, 201, 202, 203]
    assert (folder / SLICES_FILE).stat().st_size == (2 + 3 + 4 + 5) * 3 * 4 * 2


def test_view_is_read_only(folder: Path, cases: list[StudyCase], ramps: Prepare) -> None:
    with pytest.raises(ValueError, match="read-only"):
        opened(folder, cases, ramps).slices("s1")[0] = 7


def test_store_is_built_once(folder: Path, cases: list[StudyCase], ramps) -> None:
    opened(folder, cases, ramps)
    opened(folder, cases, ramps)
    assert ramps.prepared == ["s0", "s1", "s2", "s3"]
    assert left_over(folder) == []


def test_progress_is_told(folder: Path, cases: list[StudyCase], ramps: Prepare) -> None:
    seen: list[tuple[int, int]] = []
    opened(folder, cases, ramps, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


class TestStale:
    def test_other_settings_prepare_all_again(self, folder: Path, cases: list[StudyCase], ramps) -> None:
        before = opened(folder, cases, ramps)
        after = opened(folder, cases, ramps, settings="5 x 6")
        assert before.digest != after.digest
        assert len(ramps.prepared) == 8

    def test_changed_file_is_prepared_again_alone(self, folder: Path, cases: list[StudyCase], ramps) -> None:
        opened(folder, cases, ramps)
        cases[1].source.write_bytes(b"changed")
        opened(folder, cases, ramps)
        assert ramps.prepared[4:] == ["s1"]

    def test_added_and_removed_cases_leave_the_others(
        self, folder: Path, tmp_path: Path, cases: list[StudyCase], ramps
    ) -> None:
        opened(folder, cases[:3], ramps)
        opened(folder, cases[1:], ramps)
        assert ramps.prepared == ["s0", "s1", "s2", "s3"]
        opened(tmp_path / "fresh", cases[1:], ramps)
        assert content(folder) == content(tmp_path / "fresh")

    def test_damaged_store_is_built_again(self, folder: Path, cases: list[StudyCase], ramps: Prepare) -> None:
        opened(folder, cases, ramps)
        sound = content(folder)
        os.truncate(folder / SLICES_FILE, 10)
        with pytest.raises(RefusedError, match="small is no complete store of slices"):
            SliceStore(folder)
        opened(folder, cases, ramps)
        assert content(folder) == sound

    def test_labels_are_no_part_of_it(self, folder: Path, cases: list[StudyCase], ramps) -> None:
        opened(folder, cases, ramps)
        opened(folder, [StudyCase(case.id, case.source, labels={"any": 1.0}) for case in cases], ramps)
        assert len(ramps.prepared) == 4

    @pytest.mark.parametrize("name", ["precious.txt", INDEX_FILE])
    def test_folder_of_something_else_is_not_replaced(
        self, folder: Path, cases: list[StudyCase], ramps: Prepare, name: str
    ) -> None:
        folder.mkdir(parents=True)
        (folder / name).write_text("mine")
        with pytest.raises(MachineError, match="small is something else than a store of slices") as caught:
            opened(folder, cases, ramps)
        assert caught.value.code is Code.E_OUTPUT
        assert (folder / name).read_text() == "mine"


class TestKilled:
    @pytest.fixture
    def whole(self, tmp_path: Path, cases: list[StudyCase], ramps) -> tuple[bytes, bytes]:
        """Return what an uninterrupted build writes."""
        opened(tmp_path / "whole", cases, type(ramps)())
        return content(tmp_path / "whole")

    @pytest.fixture
    def staged(self, folder: Path, cases: list[StudyCase], ramps) -> Path:
        """Return the unfinished store of a build that died at s2."""
        with pytest.raises(KeyboardInterrupt):
            opened(folder, cases, Failing(type(ramps)(), {"s2": KeyboardInterrupt()}))
        assert not folder.exists()
        (name,) = left_over(folder)
        return folder.with_name(name)

    def test_build_goes_on_where_it_died(
        self, folder: Path, staged: Path, whole: tuple, cases: list[StudyCase], ramps
    ) -> None:
        opened(folder, cases, ramps)
        assert ramps.prepared == ["s2", "s3"]
        assert content(folder) == whole
        assert left_over(folder) == []

    def test_half_written_study_is_written_again(
        self, folder: Path, staged: Path, whole: tuple, cases: list[StudyCase], ramps
    ) -> None:
        with open(staged / SLICES_FILE, "ab") as stream:
            stream.write(b"half of s2")
        with open(staged / INDEX_FILE, "ab") as stream:
            stream.write(b'{"id":"s2","first"')
        opened(folder, cases, ramps)
        assert content(folder) == whole

    def test_what_the_disk_lost_is_prepared_again(
        self, folder: Path, staged: Path, whole: tuple, cases: list[StudyCase], ramps
    ) -> None:
        os.truncate(staged / SLICES_FILE, 50)  # s0 has 48 bytes
        opened(folder, cases, ramps)
        assert ramps.prepared == ["s1", "s2", "s3"]
        assert content(folder) == whole

    def test_unfinished_store_of_something_else_is_removed(
        self, folder: Path, staged: Path, cases: list[StudyCase], ramps
    ) -> None:
        opened(folder, cases, ramps, settings="5 x 6")
        assert ramps.prepared == ["s0", "s1", "s2", "s3"]
        assert left_over(folder) == []

    def test_older_store_stays_until_its_successor_is_complete(
        self, folder: Path, cases: list[StudyCase], ramps
    ) -> None:
        opened(folder, cases[:1], ramps)
        with pytest.raises(KeyboardInterrupt):
            opened(folder, cases, Failing(ramps, {"s2": KeyboardInterrupt()}))
        assert SliceStore(folder).ids == ("s0",)


class TestDisk:
    @pytest.fixture
    def free(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        def leave(num_bytes: int) -> None:
            usage = SimpleNamespace(total=10**6, used=0, free=num_bytes)
            monkeypatch.setattr(slice_store_writer.shutil, "disk_usage", lambda _: usage)

        return leave

    def test_study_that_does_not_fit_is_not_begun(
        self, folder: Path, cases: list[StudyCase], ramps: Prepare, free: Callable[[int], None]
    ) -> None:
        free(100)  # s3 takes 5 x 3 x 4 x 2 = 120 bytes, those before up to 96
        with pytest.raises(MachineError, match=r"needs 1.2e-07 GB more: found 1e-07 GB free") as caught:
            opened(folder, cases, ramps)
        assert caught.value.code is Code.E_DISK
        assert left_over(folder) == []

    def test_ten_studies_tell_what_the_others_will_take(
        self, folder: Path, tmp_path: Path, ramps, free: Callable[[int], None]
    ) -> None:
        cases = [StudyCase(f"s{number}", tmp_path / "none") for number in range(10, 30)]
        free(3000)
        # Studies 10 to 19 have 165 slices of 24 bytes; ten more of them come to 3960 bytes.
        with pytest.raises(MachineError, match=r"needs 3.96e-06 GB more: found 3e-06 GB free"):
            opened(folder, cases, ramps)
        assert len(ramps.prepared) == 11


class TestProcesses:
    def test_files_do_not_depend_on_workers(
        self, folder: Path, tmp_path: Path, cases: list[StudyCase], ramps: Prepare
    ) -> None:
        opened(tmp_path / "alone", cases, ramps)
        state = torch.random.get_rng_state()
        opened(folder, cases, ramps, workers=2)
        assert content(folder) == content(tmp_path / "alone")
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_of_two_builders_one_waits(
        self, folder: Path, cases: list[StudyCase], ramps, tmp_path: Path
    ) -> None:
        log = tmp_path / "log"

        def prepare(case: StudyCase) -> PreparedStudy:
            with open(log, "a") as stream:
                stream.write(f"{case.id}\n")
            time.sleep(0.02)
            return ramps(case)

        context = multiprocessing.get_context("fork")
        builders = [
            context.Process(target=open_slice_store, args=(folder, cases, prepare), kwargs={"settings": ""})
            for _ in range(2)
        ]
        for builder in builders:
            builder.start()
        for builder in builders:
            builder.join()
        assert [builder.exitcode for builder in builders] == [0, 0]
        assert log.read_text().split() == ["s0", "s1", "s2", "s3"]

    def test_store_travels_without_its_slices(
        self, folder: Path, cases: list[StudyCase], ramps: Prepare
    ) -> None:
        store = opened(folder, cases, ramps)
        slices = store.slices("s2")
        assert "_map" not in store.__getstate__()
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).slices("s2"), slices)


class TestFaults:
    ERRORS = {  # noqa: RUF012
        "s1": RefusedError(Code.E_GAP, "Case s1: a slice is missing", found="10 mm", fix="Export it again."),
        "s3": RefusedError(Code.E_EMPTY, "Case s3: the file holds no bytes"),
    }

    def test_all_faults_are_in_one_message_and_nothing_is_left(
        self, folder: Path, cases: list[StudyCase], ramps
    ) -> None:
        words = (
            r"Case s1: a slice is missing: found 10 mm \(2 of 4 cases at fault: s1, s3\)\. Export it again\."
        )
        with pytest.raises(RefusedError, match=words) as caught:
            opened(folder, cases, Failing(ramps, self.ERRORS))
        assert caught.value.code is Code.E_GAP
        assert ramps.prepared == ["s0", "s2"]  # s2 was tried after s1 had failed
        assert not folder.exists()
        assert left_over(folder) == []

    def test_cases_at_fault_are_left_out_where_allowed(
        self, folder: Path, cases: list[StudyCase], ramps
    ) -> None:
        store = opened(folder, cases, Failing(ramps, self.ERRORS), allow_refused=True)
        assert store.ids == ("s0", "s2")
        assert {case_id: error.code for case_id, error in store.refused.items()} == {
            "s1": Code.E_GAP,
            "s3": Code.E_EMPTY,
        }
        assert store.slices("s2")[0, 0, 0] == 200
        with pytest.raises(RefusedError, match="Case s1: a slice is missing: found 10 mm"):
            store.slices("s1")
        with pytest.raises(RefusedError, match="2 of 4 cases at fault"):  # the store that is there remembers
            opened(folder, cases, ramps)
        cases[1].source.write_bytes(b"repaired")
        cases[3].source.write_bytes(b"repaired")
        assert opened(folder, cases, ramps).ids == ("s0", "s1", "s2", "s3")
        assert ramps.prepared == ["s0", "s2", "s1", "s3"]

    def test_no_sound_case_is_no_store(self, folder: Path, cases: list[StudyCase], ramps: Prepare) -> None:
        with pytest.raises(RefusedError, match="1 of 1 cases at fault"):
            opened(folder, cases[1:2], Failing(ramps, self.ERRORS), allow_refused=True)
        assert not folder.exists()

    def test_no_case_is_refused(self, folder: Path, ramps: Prepare) -> None:
        with pytest.raises(NoInputError, match="There are no studies to store"):
            opened(folder, [], ramps)


def prepared_of(**changes: object) -> PreparedStudy:
    study = PreparedStudy(np.zeros((2, 3, 4), np.int16), np.array([0, 5], np.float32), ("a", "b"))
    return study._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slices": np.zeros((2, 3, 4), np.float32)}, r"slices are \(S, I, J\) int16: found float32"),
        (
            {"slices": np.zeros((3, 4), np.int16)},
            r"slices are \(S, I, J\) int16: found int16 of shape \(3, 4\)",
        ),
        ({"slices": np.zeros((0, 3, 4), np.int16)}, r"slices are .*found int16 of shape \(0, 3, 4\)"),
        (
            {"slices": np.zeros((2, 4, 3), np.int16)},
            r"slices have \(3, 4\) rows and columns, as before: found",
        ),
        ({"gaps_mm": np.zeros(3, np.float32)}, "there is a gap for each slice: found float32 of shape .3,"),
        ({"gaps_mm": np.array([5, 5], np.float32)}, "gaps are distances, the first 0"),
        ({"gaps_mm": np.array([0, -5], np.float32)}, "gaps are distances"),
        ({"gaps_mm": np.array([0, np.nan], np.float32)}, "gaps are distances"),
        ({"keys": ("a", "a")}, "each slice has a key of its own"),
        ({"keys": ("a",)}, "each slice has a key of its own"),
    ],
)
def test_what_a_store_does_not_take_is_refused(
    folder: Path, cases: list[StudyCase], changes: dict, words: str
) -> None:
    def prepare(case: StudyCase) -> PreparedStudy:
        return prepared_of(**changes) if case.id == "s2" else prepared_of()

    with pytest.raises(ShapeError, match=f"Case s2: {words}"):
        opened(folder, cases, prepare)
    assert left_over(folder) == []
