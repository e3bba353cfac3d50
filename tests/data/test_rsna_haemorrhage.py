"""The RSNA table in its published form, on simulated slices; the original files are not at hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.rsna_haemorrhage import KINDS, read_rsna_haemorrhage
from medpipe.data.study_reading import read_study
from medpipe.data.study_targets import targets_of

WriteHead = Callable[..., list[str]]

FIRST = ("ID_a0", "ID_a1", "ID_a2", "ID_a3")
SECOND = ("ID_b0", "ID_b1", "ID_b2")


@pytest.fixture
def images(tmp_path: Path, write_head: WriteHead) -> Path:
    """Return one folder that holds the slices of two studies, named as in the challenge."""
    folder = tmp_path / "stage_2_train"
    write_head(folder, seed="a", names=FIRST, num_slices=4)
    write_head(folder, seed="b", names=SECOND, num_slices=3)
    return folder


def table(folder: Path, positive: set[str], images: tuple[str, ...], *more: str) -> Path:
    """Write a table in which the rows of ``positive`` are 1 and all others 0."""
    rows = [f"{image}_{kind}" for image in images for kind in KINDS]
    path = folder / "stage_2_train.csv"
    path.write_text("\n".join(["ID,Label", *(f"{row},{int(row in positive)}" for row in rows), *more]) + "\n")
    return path


def test_slices_of_one_folder_are_grouped_and_studies_are_their_highest(images: Path, tmp_path: Path) -> None:
    positive = {"ID_a2_subdural", "ID_a2_any", "ID_a3_any"}
    studies = read_rsna_haemorrhage(table(tmp_path, positive, (*FIRST, *SECOND)), images)
    first, second = sorted(studies.cases, key=lambda case: len(case.files), reverse=True)
    assert studies.labels == KINDS
    assert (first.patient, second.patient) == ("SIM-a", "SIM-b")
    assert set(first.files) == {f"{name}.dcm" for name in FIRST}
    assert first.labels == {**dict.fromkeys(KINDS, 0.0), "subdural": 1.0, "any": 1.0}
    assert second.labels == dict.fromkeys(KINDS, 0.0)
    assert first.slice_labels["ID_a3"] == {**dict.fromkeys(KINDS, 0.0), "any": 1.0}


def test_labels_meet_the_slices_that_are_read(images: Path, tmp_path: Path) -> None:
    studies = read_rsna_haemorrhage(table(tmp_path, {"ID_a2_any"}, (*FIRST, *SECOND)), images)
    keys = {case.id: read_study(case).keys for case in studies.cases}
    (any_of_a,) = [
        found.slice_labels[:, 0].tolist()
        for found in targets_of(studies.cases, keys, labels=("any",))
        if len(found.slice_labels) == 4
    ]
    assert any_of_a == [0.0, 0.0, 1.0, 0.0]  # ID_a2 is the third from below, whatever its file's place


def test_kinds_are_named_as_asked(images: Path, tmp_path: Path) -> None:
    path = table(tmp_path, {"ID_b0_any"}, (*FIRST, *SECOND))
    studies = read_rsna_haemorrhage(path, images, names={"any": "haemorrhage"})
    assert studies.labels == ("haemorrhage",)
    assert sorted(case.labels["haemorrhage"] for case in studies.cases) == [0.0, 1.0]


def test_equal_rows_may_repeat(images: Path, tmp_path: Path) -> None:
    path = table(tmp_path, {"ID_a0_any"}, (*FIRST, *SECOND), "ID_a0_any,1", "ID_a1_any,0")
    assert len(read_rsna_haemorrhage(path, images).cases) == 2


def test_files_without_labels_are_left_out(images: Path, tmp_path: Path) -> None:
    (case,) = read_rsna_haemorrhage(table(tmp_path, set(), SECOND[1:]), images).cases
    assert sorted(case.slice_labels) == ["ID_b1", "ID_b2"]
    assert len(case.files) == 3


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("ID_a0_any,0", "line 44: a row contradicts an earlier one: found ID_a0_any is 0, 1 before"),
        ("ID_a0_any,bleed", "line 44: the column 'Label' takes .*found 'bleed'"),
        (
            "ID_a0_extradural,1",
            "line 44: the column 'ID' names an image and a kind.*found 'ID_a0_extradural'",
        ),
        ("any,1", "line 44: the column 'ID' names an image and a kind.*found 'any'"),
        (
            "ID_c0_any,1",
            "Labels for slices that do not exist: found 1 of 8 images: ID_c0. Complete the folder",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(images: Path, tmp_path: Path, row: str, words: str) -> None:
    path = table(tmp_path, {"ID_a0_any"}, (*FIRST, *SECOND), row)  # 1 + 7 x 6 lines before it
    with pytest.raises(SettingsError, match=words):
        read_rsna_haemorrhage(path, images)


def test_a_subset_may_lack_images(images: Path, tmp_path: Path) -> None:
    path = table(tmp_path, set(), (*FIRST, *SECOND), "ID_c0_any,1")
    assert len(read_rsna_haemorrhage(path, images, subset=True).cases) == 2


def test_folder_of_other_images_is_refused(images: Path, tmp_path: Path) -> None:
    path = table(tmp_path, set(), ("ID_c0",))
    with pytest.raises(NoInputError, match=r"No file in stage_2_train has a label in stage_2_train\.csv"):
        read_rsna_haemorrhage(path, images, subset=True)
