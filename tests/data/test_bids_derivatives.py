"""BIDS derivatives: masks find the image of their subject and session, or say why not."""

from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.bids_derivatives import read_bids

DERIVATIVE = "derivatives/manual"
FILES = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_T1w.nii.gz",
    f"{DERIVATIVE}/sub-01/anat/sub-01_desc-hand_dseg.nii.gz",
    f"{DERIVATIVE}/sub-02/ses-a/anat/sub-02_ses-a_desc-hand_dseg.nii.gz",
    f"{DERIVATIVE}/sub-02/ses-b/anat/sub-02_ses-b_desc-hand_dseg.nii.gz",
)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Return a raw data set of two subjects with a derivative of masks."""
    touch(tmp_path, *FILES)
    return tmp_path


def test_masks_find_their_images_and_subjects(bids: Path) -> None:
    case_set = read_bids(bids / DERIVATIVE)
    assert [(case.id, case.patient) for case in case_set.cases] == [
        ("sub-01", "sub-01"),
        ("sub-02_ses-a", "sub-02"),
        ("sub-02_ses-b", "sub-02"),
    ]
    assert case_set.cases[2].images == {"image": bids / FILES[2]}
    assert case_set.cases[2].mask == bids / FILES[5]


def test_label_table_names_labels(bids: Path) -> None:
    (bids / DERIVATIVE / "dseg.tsv").write_text(
        "index\tname\tcolor\n0\tbackground\t#000000\n17\tleft\t#dcd814\n"
    )
    assert read_bids(bids / DERIVATIVE).label_names == {17: "left"}


def test_image_in_the_derivative_goes_first(bids: Path) -> None:
    near = f"{DERIVATIVE}/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"
    touch(bids, near)
    assert read_bids(bids / DERIVATIVE).cases[0].images == {"image": bids / near}


def test_runs_are_kept_apart(bids: Path) -> None:
    touch(
        bids,
        "sub-03/anat/sub-03_run-1_T1w.nii.gz",
        "sub-03/anat/sub-03_run-2_T1w.nii.gz",
        f"{DERIVATIVE}/sub-03/anat/sub-03_run-2_dseg.nii.gz",
    )
    case = read_bids(bids / DERIVATIVE).select(["sub-03_run-2"])[0]
    assert case.images["image"].name == "sub-03_run-2_T1w.nii.gz"


def test_several_channels_are_found(bids: Path) -> None:
    touch(bids, *(name.replace("T1w", "FLAIR") for name in FILES[:3]))
    case_set = read_bids(bids / DERIVATIVE, images={"t1": "T1w", "flair": "FLAIR"})
    assert case_set.cases[0].images["flair"] == bids / "sub-01/anat/sub-01_FLAIR.nii.gz"


def test_raw_data_set_may_lie_elsewhere(bids: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    (bids / DERIVATIVE).rename(moved)
    with pytest.raises(SettingsError, match=r"The mask sub-01_desc-hand_dseg.nii.gz has no image"):
        read_bids(moved)
    assert len(read_bids(moved, raw=bids).cases) == 3


def test_several_images_that_suit_are_refused(bids: Path) -> None:
    touch(bids, "sub-01/anat/sub-01_acq-fast_T1w.nii.gz")
    with pytest.raises(SettingsError, match="Several images suit the mask sub-01_desc-hand_dseg"):
        read_bids(bids / DERIVATIVE)


def test_two_masks_of_one_image_are_refused_until_one_is_named(bids: Path) -> None:
    touch(bids, f"{DERIVATIVE}/sub-01/anat/sub-01_desc-auto_dseg.nii.gz")
    with pytest.raises(SettingsError, match="found sub-01 more than once"):
        read_bids(bids / DERIVATIVE)
    assert len(read_bids(bids / DERIVATIVE, mask="desc-hand_dseg").cases) == 3


def test_no_mask_is_refused(bids: Path) -> None:
    with pytest.raises(NoInputError, match=r"no mask whose name ends in _probseg\.nii\.gz"):
        read_bids(bids / DERIVATIVE, mask="probseg")


def test_links_out_of_the_data_set_are_refused(bids: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("other") / "x.nii.gz"
    outside.touch()
    (bids / FILES[0]).unlink()
    (bids / FILES[0]).symlink_to(outside)
    with pytest.raises(SettingsError, match="leads out of the data set's folder"):
        read_bids(bids / DERIVATIVE)
