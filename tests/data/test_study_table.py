"""Tables of studies and slices: unknown is unknown, and what cannot be a label is refused with its line."""

from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.study_table import read_study_table

HEADER = "id,image,patient,any,sah,shift_mm,site\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds a folder ``a`` and a file ``b.nii``, with a file beside it."""
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "b.nii").touch()
    (tmp_path / "outside.nii").touch()
    return tmp_path / "set"


def written(folder: Path, text: str, name: str = "studies.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def read(folder: Path, rows: str, slices: str | None = None, **options: object):
    return read_study_table(
        written(folder, HEADER + rows),
        labels=("any", "sah"),
        scores=("shift_mm",),
        slices=None if slices is None else written(folder, slices, "slices.csv"),
        **options,
    )


def test_columns_become_answers_and_facts(folder: Path) -> None:
    studies = read(folder, "s1,a,p1,1,0,7.5,north\ns2,b.nii,p2,0.25,1,,\n")
    first, second = studies.cases
    assert (first.source, first.patient) == (folder / "a", "p1")
    assert first.labels == {"any": 1.0, "sah": 0.0}
    assert first.scores == {"shift_mm": 7.5}
    assert first.facts == {"site": "north"}
    assert second.source == folder / "b.nii"
    assert second.labels == {"any": 0.25, "sah": 1.0}
    assert second.scores == second.facts == {}
    assert (studies.name, studies.labels, studies.scores) == ("studies", ("any", "sah"), ("shift_mm",))


def test_empty_cells_are_unknown(folder: Path) -> None:
    first, second = read(folder, "s1,a,,1,0,0,\ns2,b.nii,,,1,,\n").cases
    assert first.labels == {"any": 1.0, "sah": 0.0}
    assert second.labels == {"sah": 1.0}
    assert first.patient == ""


def test_patient_column_may_be_missing(folder: Path) -> None:
    path = written(folder, "id,image,any\ns1,a,1\n")
    (case,) = read_study_table(path, labels=("any",)).cases
    assert case.owner == "s1"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            "s1,a,p1,yes,0,,",
            r"studies.csv, line 2: the column 'any' takes 1 \(yes\), 0 \(no\) or a probability: found 'yes'. "
            "Leave the cell empty",
        ),
        ("s1,a,p1,1,2,,", "line 2: the column 'sah' takes .*found '2'"),
        ("s1,a,p1,1,-0.1,,", "the column 'sah' takes .*found '-0.1'"),
        ("s1,a,p1,nan,0,,", "the column 'any' takes .*found 'nan'"),
        ("s1,a,p1,1,0,7mm,", "the column 'shift_mm' takes a number: found '7mm'"),
        ("s1,c,p1,1,0,,", "line 2: a file is missing: found nothing at 'c'"),
        ("s1,../outside.nii,p1,1,0,,", "a path leads out of the data set's folder"),
        ("s1,,p1,1,0,,", "the column 'image' is empty"),
        (",a,p1,1,0,,", "the column 'id' is empty"),
        ("a/b,a,p1,1,0,,", "A case id cannot name a file: found 'a/b'"),
        ("s1,a,p1,1,0,1,\ns1,a,p1,1,0,1,", "found s1 more than once"),
    ],
)
def test_bad_cells_are_refused_with_their_line(folder: Path, row: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read(folder, row + "\n")


def test_outside_is_read_where_allowed(folder: Path) -> None:
    (case,) = read(folder, "s1,../outside.nii,p1,1,0,3,\n", allow_outside=True).cases
    assert case.source.samefile(folder.parent / "outside.nii")


def test_missing_label_column_names_the_nearest(folder: Path) -> None:
    path = written(folder, "id,image,any_bleed\ns1,a,1\n")
    with pytest.raises(SettingsError, match=r"the column 'any_bled' is missing. Did you mean 'any_bleed'"):
        read_study_table(path, labels=("any_bled",))


def test_the_id_cannot_be_learnt(folder: Path) -> None:
    with pytest.raises(SettingsError, match="which study it is cannot be learnt: found 'patient'"):
        read_study_table(written(folder, HEADER), labels=("patient",))


def test_no_row_is_no_data_set(folder: Path) -> None:
    with pytest.raises(NoInputError, match="The data set studies is empty"):
        read(folder, "")


class TestSlices:
    ROWS = "s1,a,p1,1,0,3,\ns2,b.nii,p2,0,1,,\n"

    def test_labels_go_to_their_slices(self, folder: Path) -> None:
        slices = "id,slice,sah,note\ns1,1.2.3,1,clear\ns1,1.2.4,,\ns2,0,0.5,\n"
        first, second = read(folder, self.ROWS, slices).cases
        assert first.slice_labels == {"1.2.3": {"sah": 1.0}, "1.2.4": {}}
        assert second.slice_labels == {"0": {"sah": 0.5}}
        assert first.labels == {"any": 1.0, "sah": 0.0}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("id,slice,any\ns1,0,1\ns3,0,1\n", "slices.csv, line 3: labels for a study that does not exist: "
             "found 's3'. Ids of studies are s1, s2"),
            ("id,slice,any\ns1,0,1\ns1,0,1\n", "line 3: a slice stands twice: found slice '0' of s1"),
            ("id,slice,any\ns1,0,maybe\n", "line 2: the column 'any' takes .*found 'maybe'"),
            ("id,slice,anny\ns1,0,1\n", "slices.csv holds no labels. Name its columns any, sah"),
            ("id,any\ns1,1\n", "the column 'slice' is missing"),
            ("id,slice,any\ns1,,1\n", "the column 'slice' is empty"),
        ],
    )  # fmt: skip
    def test_tables_that_do_not_fit_are_refused(self, folder: Path, text: str, words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            read(folder, self.ROWS, text)
