"""CQ500 in its published form, on simulated series; the original files are not at hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, RefusedError, SettingsError
from medpipe.data.cq500 import READINGS, SERIES_RULE, read_cq500
from medpipe.data.study_reading import read_study

WriteHead = Callable[..., list[str]]

COLUMNS = [f"R{reader}:{reading}" for reader in (1, 2, 3) for reading in READINGS]


def reads(
    folder: Path, *votes: dict[str, str], names: tuple[str, ...] = ("CQ500-CT-0", "CQ500-CT-12")
) -> Path:
    """Write ``reads.csv``: the cells of each reading, such as ``{"ICH": "1-0"}``, "-" for empty; else 000."""
    lines = [",".join(["name", "Category", *COLUMNS])]
    for name, found in zip(names, votes, strict=True):
        cells = [
            found.get(reading, "000")[reader].replace("-", "") for reader in range(3) for reading in READINGS
        ]
        lines.append(",".join([name, "B1", *cells]))
    path = folder / "reads.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def scans(tmp_path: Path, write_head: WriteHead) -> Path:
    """Return a folder with two studies, their folders named in two ways; the first has four series."""
    first = tmp_path / "scans" / "qct01" / "CQ500CT0 CQ500CT0" / "Unknown Study"
    write_head(first / "CT Plain", number=1, num_slices=10, SliceThickness=5.0)
    write_head(first / "CT Plain THIN", number=2, num_slices=12, SliceThickness=0.625)
    write_head(
        first / "CT POST CONTRAST", number=3, num_slices=9, SliceThickness=7.0, ContrastBolusAgent="C+"
    )
    write_head(first / "CT 10mm", number=4, num_slices=4, SliceThickness=10.0)
    write_head(tmp_path / "scans" / "CQ500-CT-12" / "CQ500CT12 CQ500CT12", seed="b", num_slices=9)
    return tmp_path / "scans"


def test_labels_are_what_two_of_three_say(scans: Path, tmp_path: Path) -> None:
    votes = {"ICH": "110", "SDH": "100", "SAH": "111", "MassEffect": "1-1", "EDH": "1-0", "IVH": "-00"}
    first, second = read_cq500(reads(tmp_path, votes, {}), scans).cases
    assert (first.id, second.id) == ("CQ500-CT-0", "CQ500-CT-12")
    assert [first.labels.get(name) for name in ("ICH", "SDH", "SAH", "MassEffect", "IVH")] == [1, 0, 1, 1, 0]
    assert "EDH" not in first.labels
    assert second.labels == dict.fromkeys(READINGS, 0.0)


def test_thick_plain_series_is_chosen_and_the_rule_recorded(scans: Path, tmp_path: Path) -> None:
    first, second = read_cq500(reads(tmp_path, {}, {}), scans).cases
    assert first.facts["series_rule"] == SERIES_RULE
    assert first.facts["num_series"] == 3.0  # that of four slices shows no whole head
    assert (first.facts["num_slices"], first.facts["slice_thickness_mm"]) == (10.0, 5.0)
    assert first.facts["Category"] == "B1"
    assert "R1:ICH" not in first.facts
    assert {str(Path(name).parent) for name in first.files} == {"Unknown Study/CT Plain"}
    assert len(read_study(first).keys) == 10
    assert len(read_study(second).keys) == 9
    assert (first.patient, second.patient) == ("SIM-a", "SIM-b")


def test_bone_kernel_is_second_choice(tmp_path: Path, write_head: WriteHead) -> None:
    folder = tmp_path / "scans" / "CQ500CT0"
    write_head(folder, number=1, num_slices=9, SliceThickness=5.0, ConvolutionKernel="BONE")
    write_head(folder, number=2, num_slices=10, SliceThickness=2.5, ConvolutionKernel="STANDARD")
    (case,) = read_cq500(reads(tmp_path, {}, names=("CQ500-CT-0",)), tmp_path / "scans").cases
    assert case.facts["num_slices"] == 10.0


def test_readings_are_named_as_asked(scans: Path, tmp_path: Path) -> None:
    path = reads(tmp_path, {"MassEffect": "011"}, {})
    studies = read_cq500(path, scans, names={"MassEffect": "mass_effect", "ICH": "any"})
    assert studies.labels == ("mass_effect", "any")
    assert studies.cases[0].labels == {"mass_effect": 1.0, "any": 0.0}


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        ("x00", "reads.csv, line 2: the column 'R1:ICH' takes .*found 'x'"),
        ("0x0", "the column 'R2:ICH' takes .*found 'x'"),
        ("002", "the column 'R3:ICH' takes .*found '2'"),
    ],
)
def test_votes_that_are_none_are_refused(scans: Path, tmp_path: Path, votes: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_cq500(reads(tmp_path, {"ICH": votes}, {}), scans)


def test_a_doubtful_vote_is_refused(scans: Path, tmp_path: Path) -> None:
    path = reads(tmp_path, {"ICH": "110"}, {})
    path.write_text(path.read_text().replace("B1,1,", "B1,0.5,"))
    with pytest.raises(SettingsError, match=r"line 2: the column 'R1:ICH' takes 0 or 1: found 0\.5"):
        read_cq500(path, scans)


def test_study_without_a_folder_is_refused_or_left_out(scans: Path, tmp_path: Path) -> None:
    path = reads(tmp_path, {}, {}, names=("CQ500-CT-0", "CQ500-CT-7"))
    with pytest.raises(SettingsError, match=r"have no folder in scans: found 1 of 2: CQ500-CT-7"):
        read_cq500(path, scans)
    assert [case.id for case in read_cq500(path, scans, subset=True).cases] == ["CQ500-CT-0"]


def test_two_folders_of_one_study_are_refused(scans: Path, tmp_path: Path) -> None:
    (scans / "CQ500CT12").mkdir()
    with pytest.raises(SettingsError, match="Two folders are of the study CQ500-CT-12"):
        read_cq500(reads(tmp_path, {}, {}), scans)


def test_studies_without_a_series_are_refused_together(tmp_path: Path, write_head: WriteHead) -> None:
    for name in ("CQ500CT0", "CQ500CT12"):
        write_head(tmp_path / "scans" / name, seed=name, num_slices=7)
    words = (
        r"Case CQ500-CT-0: No original CT series has 8 slices or more: found 1 series \(2 of 2 cases at fault"
    )
    with pytest.raises(RefusedError, match=words):
        read_cq500(reads(tmp_path, {}, {}), tmp_path / "scans")


def test_other_names_and_folders_are_refused(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="line 2: a study is named like CQ500-CT-0: found 'patient 0'"):
        read_cq500(reads(tmp_path, {}, names=("patient 0",)), scans)
    with pytest.raises(NoInputError, match="The folder gone cannot be read: found No such file"):
        read_cq500(reads(tmp_path, {}, {}), tmp_path / "gone")
