"""Indexing trees: every file counted once, studies found by content."""

import gzip
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medpipe.core.errors import NoInputError
from medpipe.core.source import SourceKind
from medpipe.io import inspection
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.series import Form, Study, Trait, TreeIndex
from medpipe.io.tree import index_tree
from medpipe.simulate.small_ct import small_ct

NUM_SLICES = 3


def add_dicom(folder: Path, seed: str = "a", patient: str = "SIM-1", number: int = 1) -> list[Path]:
    labels = SeriesLabels(
        seed=seed,
        series_description="simulated",
        patient_name="SIM^ONE",
        patient_id=patient,
        series_number=number,
    )
    return write_series(small_ct(num_slices=NUM_SLICES, size=8), folder, labels=labels)


def add_nifti(path: Path, seed: int = 0, shape: tuple[int, ...] = (3, 4, 5)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 99, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    return path


def add_picture(path: Path, grey: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (5, 4), grey).save(path)
    return path


def checked_index(*roots: Path, **options: object) -> TreeIndex:
    """Index and check what holds of every index: each file is in one study or skipped."""
    index = index_tree(roots, **options)  # type: ignore[arg-type]
    paths = [path for study in index.studies for path in study.paths]
    paths += [entry.path for entry in index.skipped]
    assert len(paths) == len(set(paths)) == index.num_files
    assert [study.uid for study in index.studies] == sorted({study.uid for study in index.studies})
    return index


def only_study(index: TreeIndex) -> Study:
    assert len(index.studies) == 1
    return index.studies[0]


def reasons(index: TreeIndex) -> dict[str, str]:
    return {entry.path: entry.reason for entry in index.skipped}


class TestContentDecides:
    def test_names_do_not_matter(self, tmp_path: Path) -> None:
        for number, path in enumerate(add_dicom(tmp_path / "dicom")):
            path.rename(tmp_path / f"{number}.txt")
        add_nifti(tmp_path / "b.nii.gz").rename(tmp_path / "nifti.dat")
        add_nifti(tmp_path / "c.nii", seed=1).rename(tmp_path / "c.gz")
        add_picture(tmp_path / "d.png").rename(tmp_path / "d.dcm")
        index = checked_index(tmp_path)
        kinds = sorted(series.kind.value for study in index.studies for series in study.series)
        assert kinds == ["dicom", "nifti", "nifti", "picture"]
        assert index.num_files == NUM_SLICES + 3
        assert not index.skipped

    @pytest.mark.parametrize("name", ["notes.dcm", "notes.nii.gz", "notes.png", "notes", "notes.nii"])
    def test_text_is_skipped_and_counted(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("Patient came late.\n" * 40)
        index = checked_index(tmp_path)
        assert reasons(index) == {name: "no image"}
        assert index.num_files == 1

    @pytest.mark.parametrize("name", ["a.dcm", "a.nii.gz", "a.NII", "a.png", "a.jpeg"])
    def test_empty_file_with_the_name_of_an_image_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        (refused,) = only_study(checked_index(tmp_path)).series
        assert refused.refusal is not None
        assert refused.refusal.code == "E_EMPTY"

    def test_other_empty_file_is_skipped(self, tmp_path: Path) -> None:
        (tmp_path / "done").touch()
        assert reasons(checked_index(tmp_path)) == {"done": "empty file"}

    def test_dicom_without_preamble_is_found(self, tmp_path: Path) -> None:
        path = add_dicom(tmp_path)[0]
        content = path.read_bytes()
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        path.write_bytes(content[132:])
        (series,) = only_study(checked_index(tmp_path)).series
        assert [note.code.value for note in series.notes] == ["W_PREAMBLE"]

    def test_cut_dicom_header_is_a_refused_study(self, tmp_path: Path) -> None:
        path = add_dicom(tmp_path)[0]
        path.write_bytes(path.read_bytes()[:400])
        index = checked_index(tmp_path)
        refusals = [series.refusal for study in index.studies for series in study.series if series.refusal]
        assert [refusal.code.value for refusal in refusals] == ["E_HEADER"]
        assert len(index.studies) == 2

    def test_damaged_start_of_a_compressed_nifti_is_refused(self, tmp_path: Path) -> None:
        path = add_nifti(tmp_path / "a.nii.gz")
        path.write_bytes(path.read_bytes()[:12])
        (series,) = only_study(checked_index(tmp_path)).series
        assert series.refusal is not None
        assert series.refusal.code == "E_TRUNCATED"

    def test_archives_are_skipped_with_their_code(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("../../evil.dcm", "x")
        for name, mode in (("b.tar", "w"), ("b.tar.gz", "w:gz")):
            with tarfile.open(tmp_path / name, mode) as tar:  # type: ignore[call-overload]
                tar.addfile(tarfile.TarInfo("x"), io.BytesIO(b""))
        (tmp_path / "table.csv.gz").write_bytes(gzip.compress(b"a,b\n"))
        found = reasons(checked_index(tmp_path))
        assert [name for name in sorted(found) if found[name].startswith("E_ARCHIVE")] == [
            "a.zip",
            "b.tar",
            "b.tar.gz",
        ]
        assert found["table.csv.gz"] == "no image"

    def test_pair_of_header_and_image_is_one_study(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti1Pair(np.full((3, 4, 5), 8, np.int16), np.eye(4)), tmp_path / "a.hdr")
        study = only_study(checked_index(tmp_path))
        assert sorted(study.paths) == ["a.hdr", "a.img"]


class TestEntriesThatAreNoFiles:
    def test_fifo_socket_and_links_stop_nothing(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "scan" / "a.nii.gz")
        os.mkfifo(tmp_path / "pipe.dcm")
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(tmp_path)  # socket paths must be short
            server.bind("socket.dcm")
        (tmp_path / "scan" / "loop").symlink_to(tmp_path)
        (tmp_path / "self").symlink_to(tmp_path / "self")
        (tmp_path / "lost").symlink_to(tmp_path / "absent")
        (tmp_path / "again.nii.gz").symlink_to(tmp_path / "scan" / "a.nii.gz")
        (tmp_path / "device").symlink_to("/dev/zero")
        index = checked_index(tmp_path)
        assert only_study(index).paths == ("scan/a.nii.gz",)
        found = reasons(index)
        assert set(found) == {"pipe.dcm", "socket.dcm", "scan/loop", "self", "lost", "again.nii.gz", "device"}
        assert found["scan/loop"] == found["again.nii.gz"] == "link to what is indexed already"
        assert "nowhere" in found["lost"]
        assert "FIFO" in found["pipe.dcm"]

    def test_links_out_of_the_tree_are_followed_once(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "store" / "a.nii.gz")
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "one").symlink_to(tmp_path / "store")
        (tmp_path / "tree" / "two").symlink_to(tmp_path / "store" / "a.nii.gz")
        index = checked_index(tmp_path / "tree")
        assert only_study(index).paths == ("one/a.nii.gz",)
        assert index.num_files == 2

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_unreadable_folder_and_file_are_skipped(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "closed" / "a.nii.gz")
        add_nifti(tmp_path / "b.nii.gz").chmod(0)
        (tmp_path / "closed").chmod(0)
        found = reasons(checked_index(tmp_path))
        (tmp_path / "closed").chmod(0o700)
        assert found == {
            "b.nii.gz": "E_UNREADABLE: Permission denied",
            "closed/": "E_UNREADABLE: Permission denied",
        }

    def test_file_that_vanishes_is_skipped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        add_nifti(tmp_path / "a.nii.gz")
        add_nifti(tmp_path / "b.nii.gz", seed=1)
        sniff = inspection.sniff

        def sniff_late(path: Path) -> object:
            if path.name == "a.nii.gz":
                path.unlink()
            return sniff(path)

        monkeypatch.setattr(inspection, "sniff", sniff_late)
        index = checked_index(tmp_path)
        assert reasons(index) == {"a.nii.gz": "vanished while it was indexed"}
        assert len(index.studies) == 1

    def test_hidden_entries_and_run_folders_are_one_entry_each(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / ".git" / "a.nii.gz")
        add_nifti(tmp_path / ".b.nii.gz")
        add_nifti(tmp_path / "out" / "studies" / "x" / "masks" / "m.nii.gz")
        (tmp_path / "out" / "run.json").write_text(json.dumps({"format": "medpipe run 1"}))
        add_nifti(tmp_path / "other" / "c.nii.gz")
        (tmp_path / "other" / "run.json").write_text("[1, 2")
        index = checked_index(tmp_path)
        assert reasons(index) == {
            ".git": "hidden",
            ".b.nii.gz": "hidden",
            "out/": "output of medpipe",
            "other/run.json": "no image",
        }
        assert only_study(index).paths == ("other/c.nii.gz",)

    def test_name_that_is_no_text_stays_readable(self, tmp_path: Path) -> None:
        path = add_nifti(tmp_path / "a.nii.gz")
        os.rename(os.fsencode(path), os.fsencode(tmp_path) + b"/b\xff.nii.gz")
        study = only_study(checked_index(tmp_path))
        assert study.paths == ("b\\xff.nii.gz",)
        assert Path(study.series[0].files[0]).is_file()


class TestDicomStudies:
    def test_studies_go_by_uid_and_never_by_folder(self, tmp_path: Path) -> None:
        add_dicom(tmp_path / "x", seed="a")
        for folder, seed, number in (("y", "a", 2), ("z", "b", 1)):
            for path in add_dicom(tmp_path / folder, seed=seed, number=number):
                path.rename(tmp_path / "x" / (folder + path.name))
        index = checked_index(tmp_path)
        assert sorted(len(study.series) for study in index.studies) == [1, 2]
        assert {study.patient for study in index.studies} == {"SIM-1"}

    def test_files_copied_twice_are_one_study_with_a_note(self, tmp_path: Path) -> None:
        add_dicom(tmp_path / "a")
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        study = only_study(checked_index(tmp_path))
        assert len(study.paths) == 2 * NUM_SLICES
        (series,) = study.series
        assert series.num_slices == NUM_SLICES
        note = series.notes[-1]
        assert (note.code.value, note.found) == ("W_DUPLICATE", "3 of 6 files")

    def test_two_patients_in_one_study_are_refused(self, tmp_path: Path) -> None:
        add_dicom(tmp_path / "a", patient="SIM-1")
        add_dicom(tmp_path / "b", patient="SIM-2", number=2)
        study = only_study(checked_index(tmp_path))
        assert study.patient == ""
        assert [series.refusal.code.value for series in study.series if series.refusal] == ["E_PATIENT"] * 2
        assert "SIM" not in str(study.series[0].refusal)

    def test_bad_uids_are_flagged_and_never_paths(self, tmp_path: Path) -> None:
        path = add_dicom(tmp_path)[0]
        content = path.read_bytes()
        uid = pydicom.dcmread(path).StudyInstanceUID.encode()
        path.write_bytes(content.replace(uid, b"../../etc/passwd".ljust(len(uid), b"x")))
        index = checked_index(tmp_path)
        flagged = [
            study for study in index.studies if "W_UID" in {note.code for note in study.series[0].notes}
        ]
        assert [len(study.paths) for study in flagged] == [1]

    def test_documents_count_beside_images_and_are_skipped_alone(self, tmp_path: Path) -> None:
        path = add_dicom(tmp_path)[0]
        for name, study_uid in (("report", None), ("alone", "1.2.3")):
            dataset = pydicom.dcmread(path)
            del dataset.PixelData
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
            dataset.StudyInstanceUID = study_uid or dataset.StudyInstanceUID
            dataset.Modality = "SR"
            dataset.save_as(tmp_path / name)
        index = checked_index(tmp_path)
        assert only_study(index).others == 1
        assert reasons(index) == {"alone": "DICOM study without an image"}

    def test_dicomdir_is_never_followed(self, tmp_path: Path) -> None:
        add_dicom(tmp_path / "outside")
        (tmp_path / "disc").mkdir()
        dataset = pydicom.Dataset()
        record = pydicom.Dataset()
        record.ReferencedFileID = ["..", "outside", "0001.dcm"]
        record.DirectoryRecordType = "IMAGE"
        dataset.DirectoryRecordSequence = [record]
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        dataset.save_as(tmp_path / "disc" / "DICOMDIR", enforce_file_format=True)
        index = checked_index(tmp_path / "disc")
        assert not index.studies
        assert "never followed" in reasons(index)["DICOMDIR"]


class TestOtherStudies:
    def test_a_file_is_a_study_named_by_it(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "x" / "one.nii.gz")
        add_picture(tmp_path / "x" / "two.png")
        studies = checked_index(tmp_path).studies
        assert {study.name for study in studies} == {"one", "two"}
        assert {(series.kind, series.form) for study in studies for series in study.series} == {
            (SourceKind.NIFTI, Form.VOLUME),
            (SourceKind.PICTURE, Form.PLANAR),
        }

    def test_same_content_twice_is_one_study_with_a_note(self, tmp_path: Path) -> None:
        shutil.copy(add_nifti(tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz")
        study = only_study(checked_index(tmp_path))
        assert study.paths == ("a.nii.gz", "b.nii.gz")
        assert [note.code.value for note in study.series[0].notes] == ["W_DUPLICATE"]

    def test_bids_sessions_are_studies(self, tmp_path: Path) -> None:
        for seed, name in enumerate(
            (
                "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
                "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
                "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz",
                "sub-02/ct/sub-02_ct.nii.gz",
                "sub-02/anat/sub-02_dseg.nii.gz",
            )
        ):
            add_nifti(tmp_path / name, seed)
        by_name = {study.name: study for study in checked_index(tmp_path).studies}
        assert {name: len(study.series) for name, study in by_name.items()} == {
            "sub-01_ses-a": 2,
            "sub-01_ses-b": 1,
            "sub-02": 2,
        }
        assert {series.modality for series in by_name["sub-01_ses-a"].series} == {"MR"}
        assert {(series.modality, Trait.DERIVED in series.traits) for series in by_name["sub-02"].series} == {
            ("CT", False),
            ("", True),
        }

    def test_equal_images_of_two_subjects_stay_two_studies(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "sub-01" / "sub-01_T1w.nii.gz")
        add_nifti(tmp_path / "sub-02" / "sub-02_T1w.nii.gz")
        assert len(checked_index(tmp_path).studies) == 2

    def test_uid_of_a_session_does_not_depend_on_its_place(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "one" / "sub-01" / "sub-01_T1w.nii.gz")
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        first, second = (only_study(checked_index(tmp_path / name)) for name in ("one", "two"))
        assert first.uid == second.uid
        both = only_study(checked_index(tmp_path))
        assert (both.uid, len(both.paths)) == (first.uid, 2)
        assert [note.code.value for note in both.series[0].notes] == ["W_DUPLICATE"]

    def test_folders_group_on_request(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "a" / "t1.nii.gz", 1)
        add_nifti(tmp_path / "a" / "t2.nii.gz", 2)
        add_picture(tmp_path / "b" / "x.png")
        add_dicom(tmp_path / "a")
        index = checked_index(tmp_path, group_by="folder")
        assert {study.name: len(study.series) for study in index.studies} == {"a": 2, "b": 1, "": 1}


def test_indexing_and_atomic_writing_import_no_torch() -> None:
    code = "import sys, medpipe.io.tree, medpipe.io.atomic; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


class TestRoots:
    def test_file_and_folder_as_arguments(self, tmp_path: Path) -> None:
        path = add_nifti(tmp_path / "a.nii.gz")
        assert only_study(checked_index(path)).paths == ("a.nii.gz",)
        assert only_study(checked_index(tmp_path)).paths == ("a.nii.gz",)

    def test_several_roots_overlap_without_counting_twice(self, tmp_path: Path) -> None:
        add_nifti(tmp_path / "x" / "a.nii.gz")
        add_nifti(tmp_path / "y" / "b.nii.gz", seed=1)
        index = checked_index(tmp_path / "x", tmp_path, tmp_path / "x" / "a.nii.gz")
        assert sorted(path for study in index.studies for path in study.paths) == sorted(
            ["x/a.nii.gz", f"{tmp_path.name}/y/b.nii.gz"]
        )

    def test_missing_root_is_no_input(self, tmp_path: Path) -> None:
        with pytest.raises(NoInputError, match="absent"):
            index_tree([tmp_path / "absent"])

    @pytest.mark.parametrize("workers", [1, 4])
    def test_workers_and_progress_do_not_change_the_index(self, tmp_path: Path, workers: int) -> None:
        for seed in range(40):
            add_nifti(tmp_path / f"{seed}.nii", seed)
        seen: list[tuple[int, int]] = []
        index = checked_index(
            tmp_path, workers=workers, progress=lambda done, total: seen.append((done, total))
        )
        assert seen == [(number, 40) for number in range(1, 41)]
        assert index == checked_index(tmp_path)


ENTRIES = {
    "dicom": lambda folder, number: add_dicom(folder, seed=str(number)),
    "nifti": lambda folder, number: add_nifti(folder / f"{number}.nii.gz", number),
    "same nifti": lambda folder, number: add_nifti(folder / f"same{number}.nii"),
    "bids": lambda folder, number: add_nifti(folder / f"sub-{number % 2}_run-{number}_T1w.nii", number),
    "picture": lambda folder, number: add_picture(folder / f"{number}.png", number),
    "empty": lambda folder, number: (folder / f"{number}.dcm").touch(),
    "text": lambda folder, number: (folder / f"{number}.txt").write_text("text"),
    "hidden": lambda folder, number: (folder / f".{number}").write_text("text"),
    "fifo": lambda folder, number: os.mkfifo(folder / f"{number}.pipe"),
    "link": lambda folder, number: (folder / f"{number}.link").symlink_to(folder),
}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(ENTRIES)), st.sampled_from(["", "x", "x/y", "z"])), max_size=8)
)
def test_every_entry_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for number, (kind, place) in enumerate(entries):
        (root / place).mkdir(parents=True, exist_ok=True)
        ENTRIES[kind](root / place, number)
    num_entries = sum(not path.is_dir() or path.is_symlink() for path in root.rglob("*"))
    assert checked_index(root).num_files == num_entries
    assert checked_index(root, group_by="folder").num_files == num_entries
