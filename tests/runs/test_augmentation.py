"""Augmented copies on disk: on the grid of their scan, and made again from their records."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError, RefusedError, SettingsError
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.nifti import read_label_map, write_label_map, write_volume
from medpipe.runs.augmentation import AugmentOptions, CopyRecord, augment_scans
from medpipe.runs.identity import Names
from medpipe.runs.single import load
from medpipe.transforms.augment import replay
from medpipe.transforms.views import sample_of

AFFINE = np.array([[-1.0, 0, 0, 10], [0, 1.2, 0.1, -20], [0, -0.1, 1.5, 30], [0, 0, 0, 1]])
SHAPE = (22, 18, 14)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Write a bright block in noise as a BIDS T1 scan, and its label map beside it."""
    voxels = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0)) * 20
    voxels[:, 6:14, 5:13, 4:10] += 200
    path = tmp_path / "scans" / "sub-01_T1w.nii.gz"
    path.parent.mkdir()
    write_volume(path, Volume(voxels, AFFINE, "MR", Source(kind=SourceKind.MEMORY)))
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[6:14, 5:13, 4:10] = 5
    write_label_map(tmp_path / "labels.nii.gz", labels, AFFINE)
    return path


def options(tmp_path: Path, **changes: object) -> AugmentOptions:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    fields: dict[str, object] = {"copies": 2, "seed": 7, "device": "cpu", "key": key}
    return AugmentOptions(**{**fields, **changes})  # type: ignore[arg-type]  # mixed


def test_copies_lie_on_the_grid_of_their_scan_with_labels_and_record(scan: Path, tmp_path: Path) -> None:
    chosen = options(tmp_path, label_map=tmp_path / "labels.nii.gz", names=Names.ORIGINAL)
    (made,) = augment_scans([scan.parent], tmp_path / "out", recipe="mr", options=chosen)
    assert made.refusal is None
    assert made.study.startswith("sub-01")
    assert sorted(path.name.removeprefix(made.study) for path in (tmp_path / "out").iterdir()) == sorted(
        f"_copy{number}{ending}" for number in (1, 2) for ending in (".json", ".nii.gz", "_labels.nii.gz")
    )
    for path in made.files:
        assert_allclose(nib.load(path).affine, AFFINE, atol=1e-5)
        labels = read_label_map(path.with_name(path.name.replace(".nii.gz", "_labels.nii.gz")))
        image = nib.load(path).get_fdata()
        assert set(np.unique(labels)) == {0, 5}
        assert image[labels == 5].mean() > image[labels == 0].mean() + 50


def test_a_copy_is_made_again_from_its_record(scan: Path, tmp_path: Path) -> None:
    (made,) = augment_scans([scan], tmp_path / "out", recipe="mr", options=options(tmp_path))
    volume = load(scan)
    assert isinstance(volume, Volume)
    for number, path in enumerate(made.files, start=1):
        text = (tmp_path / "out" / f"{made.study}_copy{number}.json").read_text()
        record = CopyRecord.model_validate_json(text)
        assert record.copy_number == number
        assert record.source_sha256 == volume.source.sha256
        assert "not for diagnosis" in record.notice
        again = replay(sample_of(volume), record.record).sample.image[0].numpy()
        assert np.array_equal(nib.load(path).get_fdata(dtype=np.float32), again)


def test_the_same_seed_writes_the_same_bytes_and_no_two_copies_are_alike(scan: Path, tmp_path: Path) -> None:
    files = {}
    for folder in ("first", "second"):
        augment_scans([scan], tmp_path / folder, recipe="mr", options=options(tmp_path))
        files[folder] = {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
    assert files["first"] == files["second"]
    assert len(set(files["first"].values())) == 4


def test_preview_is_drawn(scan: Path, tmp_path: Path) -> None:
    chosen = options(tmp_path, preview=tmp_path / "sheet.png", label_map=tmp_path / "labels.nii.gz")
    augment_scans([scan], tmp_path / "out", recipe="mr", options=chosen)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 300


def test_label_map_of_another_grid_is_refused(scan: Path, tmp_path: Path) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 4
    write_label_map(tmp_path / "moved.nii.gz", np.ones(SHAPE, dtype=np.uint8), moved)
    chosen = options(tmp_path, label_map=tmp_path / "moved.nii.gz")
    (made,) = augment_scans([scan], tmp_path / "out", recipe="mr", options=chosen)
    assert made.refusal is not None
    assert made.refusal.code is Code.E_GRID
    assert "corners up to 4 mm apart" in str(made.refusal)
    assert not list((tmp_path / "out").iterdir())


def test_recipe_of_another_modality_is_refused(scan: Path, tmp_path: Path) -> None:
    (made,) = augment_scans([scan], tmp_path / "out", recipe="ct", options=options(tmp_path))
    assert isinstance(made.refusal, RefusedError)
    assert made.refusal.code is Code.E_MODALITY
    assert "found MR" in str(made.refusal)


def test_radiographs_become_pictures_with_their_labels(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    pixels = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40)
    Image.fromarray(pixels).save(tmp_path / "scans" / "chest.png")
    labels = np.zeros((30, 40), dtype=np.uint8)
    labels[10:20, 10:20] = 2
    Image.fromarray(labels).save(tmp_path / "lung.png")
    chosen = options(tmp_path, label_map=tmp_path / "lung.png", preview=tmp_path / "sheet.png")
    (made,) = augment_scans([tmp_path / "scans"], tmp_path / "out", recipe="xray", options=chosen)
    assert made.refusal is None
    assert [path.suffix for path in made.files] == [".png", ".png"]
    with (
        Image.open(made.files[0]) as copy,
        Image.open(made.files[0].with_name(f"{made.files[0].stem}_labels.png")) as moved,
    ):
        assert copy.size == (40, 30)
        assert set(np.unique(np.asarray(moved))) == {0, 2}


@pytest.mark.parametrize("recipe", ["ct", "mr"])
def test_pictures_are_no_ct_or_mr(recipe: str, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 40), dtype=np.uint8)).save(tmp_path / "chest.png")
    (made,) = augment_scans(
        [tmp_path / "chest.png"], tmp_path / "out", recipe=recipe, options=options(tmp_path)
    )
    assert made.refusal is not None
    assert made.refusal.code is Code.E_MODALITY
    assert "found RG" in str(made.refusal)


def test_wrong_use_is_refused_before_anything_is_written(scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for changes, recipe, message in (
        ({}, "mri", "Did you mean 'mr'"),
        ({"copies": 0}, "mr", "found 0"),
        ({"seed": -1}, "mr", "found -1"),
        ({"preview": tmp_path / "absent" / "sheet.png"}, "mr", "found no folder .*absent"),
    ):
        with pytest.raises(SettingsError, match=message):
            augment_scans([scan], out, recipe=recipe, options=options(tmp_path, **changes))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoInputError):
        augment_scans([tmp_path / "empty"], out, recipe="mr", options=options(tmp_path))
    second = scan.with_name("sub-02_T1w.nii.gz")
    second.write_bytes(scan.read_bytes())
    with pytest.raises(SettingsError, match="found 2 studies"):
        augment_scans(
            [scan.parent], out, recipe="mr", options=options(tmp_path, label_map=tmp_path / "labels.nii.gz")
        )
    assert not out.exists()


def test_output_that_is_a_file_is_said(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="found File exists"):
        augment_scans([scan], tmp_path / "labels.nii.gz", recipe="mr", options=options(tmp_path))
