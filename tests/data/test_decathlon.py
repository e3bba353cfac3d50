"""Decathlon and nnU-Net layouts: with a description, without one, and broken."""

import json
import shutil
from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.decathlon import read_decathlon

PAIRS = [
    {"image": f"./imagesTr/c{number}.nii.gz", "label": f"./labelsTr/c{number}.nii.gz"} for number in range(3)
]
DESCRIPTION = {
    "name": "Hippocampus",
    "licence": "CC-BY-SA 4.0",
    "modality": {"0": "MRI"},
    "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
    "numTraining": 3,
    "training": PAIRS,
    "test": ["./imagesTs/c9.nii.gz"],
}


def describe(folder: Path, **changes: object) -> Path:
    path = folder / "dataset.json"
    path.write_text(json.dumps({**DESCRIPTION, **changes}))
    return path


def test_description_names_cases_labels_and_licence(folder_of_cases: Path) -> None:
    case_set = read_decathlon(describe(folder_of_cases))
    assert case_set.name == "Hippocampus"
    assert case_set.licence == "CC-BY-SA 4.0"
    assert case_set.label_names == {1: "Anterior", 2: "Posterior"}
    assert [case.id for case in case_set.cases] == ["c0", "c1", "c2"]
    assert case_set.cases[1].images == {"image": folder_of_cases / "imagesTr/c1.nii.gz"}
    assert case_set.cases[1].mask == folder_of_cases / "labelsTr/c1.nii.gz"
    assert case_set.cases[1].patient == ""


def test_folder_gives_the_cases_of_its_description(folder_of_cases: Path) -> None:
    assert read_decathlon(describe(folder_of_cases)) == read_decathlon(folder_of_cases)


def test_folder_alone_gives_the_same_cases(folder_of_cases: Path) -> None:
    (folder_of_cases / "imagesTr/._c0.nii.gz").write_bytes(b"\0\5\x16\7")
    case_set = read_decathlon(folder_of_cases)
    assert case_set.cases == read_decathlon(describe(folder_of_cases)).cases
    assert (case_set.name, case_set.label_names) == (folder_of_cases.name, {})


def test_plain_folder_names_are_known(folder_of_cases: Path) -> None:
    (folder_of_cases / "imagesTr").rename(folder_of_cases / "images")
    (folder_of_cases / "labelsTr").rename(folder_of_cases / "labels")
    assert len(read_decathlon(folder_of_cases).cases) == 3


def test_numbered_channels_are_named_by_the_description(folder_of_cases: Path) -> None:
    for number in range(3):
        first = folder_of_cases / f"imagesTr/c{number}.nii.gz"
        shutil.copy(first, first.with_name(f"c{number}_0001.nii.gz"))
        first.rename(first.with_name(f"c{number}_0000.nii.gz"))
    channels = {"0": "T1-Gd", "1": "FLAIR"}
    labels = {"background": 0, "tumour": 1}
    describe(folder_of_cases, training=[], modality={}, channel_names=channels, labels=labels)
    case_set = read_decathlon(folder_of_cases)
    assert case_set.channels == ("t1_gd", "flair")
    assert case_set.cases[2].images["flair"] == folder_of_cases / "imagesTr/c2_0001.nii.gz"
    assert case_set.label_names == {1: "tumour"}


def test_one_numbered_channel_is_the_image(folder_of_cases: Path) -> None:
    for number in range(3):
        first = folder_of_cases / f"imagesTr/c{number}.nii.gz"
        first.rename(first.with_name(f"c{number}_0000.nii.gz"))
    case_set = read_decathlon(folder_of_cases)
    assert case_set.channels == ("image",)
    assert [case.id for case in case_set.cases] == ["c0", "c1", "c2"]


def test_files_of_several_channels_are_refused(folder_of_cases: Path) -> None:
    describe(folder_of_cases, modality={"0": "FLAIR", "1": "T1w"})
    with pytest.raises(SettingsError, match="holds several channels: found flair, t1w"):
        read_decathlon(folder_of_cases)


@pytest.mark.parametrize("missing", ["imagesTr", "labelsTr"])
def test_file_without_partner_is_named(folder_of_cases: Path, missing: str) -> None:
    (folder_of_cases / missing / "c1.nii.gz").unlink()
    word = "image" if missing == "imagesTr" else "mask"
    with pytest.raises(SettingsError, match=f"have no {word} of the same name: found c1"):
        read_decathlon(folder_of_cases)


def test_listed_file_that_is_missing_is_named(folder_of_cases: Path) -> None:
    describe(folder_of_cases)
    (folder_of_cases / "labelsTr/c2.nii.gz").unlink()
    with pytest.raises(SettingsError, match=r"a file is missing: found nothing at './labelsTr/c2.nii.gz'"):
        read_decathlon(folder_of_cases)


@pytest.mark.parametrize("escape", ["../../etc/passwd", "/etc/passwd"])
def test_paths_out_of_the_folder_are_refused(folder_of_cases: Path, escape: str) -> None:
    describe(folder_of_cases, training=[{"image": escape, "label": escape}])
    with pytest.raises(SettingsError, match=f"leads out of the data set's folder: found '{escape}'"):
        read_decathlon(folder_of_cases)


def test_pairs_listed_twice_are_refused(folder_of_cases: Path) -> None:
    describe(folder_of_cases, training=[*PAIRS, PAIRS[0]])
    with pytest.raises(SettingsError, match="found c0 more than once"):
        read_decathlon(folder_of_cases)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "its text is not valid"),
        ("[]", "its text is not valid"),
        ('{"training": [{"image": "a.nii"}]}', r"training\.0\.label is not valid \(Field required\)"),
        ('{"labels": {"liver": "organ"}}', "labels pair a number with a name"),
        ('{"labels": {"whole": [1, 2]}}', "labels.whole"),
    ],
)
def test_broken_descriptions_name_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(SettingsError, match=message):
        read_decathlon(tmp_path)


def test_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    with pytest.raises(NoInputError, match="has no folder labelsTr or labels: found scans"):
        read_decathlon(tmp_path)


def test_empty_folders_are_an_empty_set(tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    with pytest.raises(NoInputError, match="is empty: found no case"):
        read_decathlon(tmp_path)


def test_absent_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"dataset.json cannot be read: found No such file"):
        read_decathlon(tmp_path / "dataset.json")
