"""Tables of cases: what cannot be used is refused with its line; paths stay in the folder."""

from pathlib import Path

import pytest

from medpipe.core.errors import MedpipeError, NoInputError, SettingsError
from medpipe.data.case_table import TableColumns, read_table

HEADER = "id,image,mask,patient,age\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files ``a.nii`` and ``b.nii``, and one beside it."""
    inner = tmp_path / "set"
    inner.mkdir()
    for path in (inner / "a.nii", inner / "b.nii", tmp_path / "outside.nii"):
        path.touch()
    return inner


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "cases.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_columns_become_cases(folder: Path) -> None:
    text = HEADER + "c1,a.nii,b.nii,p1,71\n"
    (case,) = read_table(table(folder, text), columns=TableColumns(numbers=("age",))).cases
    assert (case.id, case.patient) == ("c1", "p1")
    assert case.images == {"image": folder / "a.nii"}
    assert case.mask == folder / "b.nii"
    assert case.facts["age"] == 71.0
    assert case.facts["image"] == "a.nii"


def test_patterns_are_filled_from_columns(folder: Path) -> None:
    columns = TableColumns(id="{who}_{no}", images={"ct": "{file}.nii"}, mask=None, patient="who")
    (case,) = read_table(table(folder, "who,no,file\np1,2,a\n"), columns=columns).cases
    assert (case.id, case.patient, case.mask) == ("p1_2", "p1", None)
    assert case.images == {"ct": folder / "a.nii"}


@pytest.mark.parametrize(
    "text",
    ["id;image;mask;patient\nc;a.nii;b.nii;p\n", "\ufeffid\timage\tmask\tpatient\r\nc\ta.nii\tb.nii\tp\r\n"],
)
def test_semicolons_tabs_and_a_byte_order_mark_are_read(folder: Path, text: str) -> None:
    assert read_table(table(folder, text)).cases[0].id == "c"


def test_cells_that_are_empty_are_no_facts(folder: Path) -> None:
    text = HEADER + "c1,a.nii,b.nii,p1,\n"
    facts = read_table(table(folder, text), columns=TableColumns(numbers=("age",))).cases[0].facts
    assert "age" not in facts


def test_missing_column_names_the_nearest(folder: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"cases\.csv: the column 'patient' is missing\. Did you mean 'patient_id'"
    ):
        read_table(table(folder, "id,image,mask,patient_id\nc,a.nii,b.nii,p\n"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("c1,a.nii,b.nii,p1,old", "line 2: the column 'age' takes a number: found 'old'"),
        ('c1,a.nii,b.nii,p1,"7,5"', "takes a number: found '7,5'"),
        ("c1,a.nii,b.nii,p1,nan", "takes a number: found 'nan'"),
        ("c1,a.nii,b.nii,,7", "line 2: the column 'patient' is empty"),
        ("c1,a.nii,b.nii,p1", "line 2: expected 5 cells: found 4"),
        ("c1,a.nii,b.nii,p1,=2+3", "line 2: the column 'age' holds a formula: found '=2[+]3'"),
        ("@SUM(A1),a.nii,b.nii,p1,7", "the column 'id' holds a formula"),
        ("c1,a.nii,b.nii,-2+cmd|'/C calc'!A0,7", "the column 'patient' holds a formula"),
        (
            "c1,../outside.nii,b.nii,p1,7",
            "line 2: a path leads out of the data set's folder: found '../outside.nii'",
        ),
        ("c1,sub/../../outside.nii,b.nii,p1,7", "leads out"),
        ("c1,/etc/passwd,b.nii,p1,7", "leads out of the data set's folder: found '/etc/passwd'"),
        ("c1,link.nii,b.nii,p1,7", "leads out of the data set's folder: found 'link.nii'"),
        ("c1,loop.nii,b.nii,p1,7", "a path cannot be followed|a file is missing"),
        ("c1,a.nii,none.nii,p1,7", "line 2: a file is missing: found nothing at 'none.nii'"),
        ("c1,sub\\a.nii,b.nii,p1,7", "Use / between folders"),
        (f"c1,{'x' * 5000},b.nii,p1,7", "a path cannot be followed|a file is missing"),
        ("c1,a\0.nii,b.nii,p1,7", "a path cannot be followed|cannot be read"),
        ("../c1,a.nii,b.nii,p1,7", "A case id cannot name a file: found '../c1'"),
        ('c1,"a.nii,b.nii,p1,7', "The table cases.csv cannot be read"),
    ],
)
def test_bad_cells_are_refused_with_their_line(folder: Path, row: str, message: str) -> None:
    (folder / "link.nii").symlink_to(folder.parent / "outside.nii")
    (folder / "loop.nii").symlink_to(folder / "loop.nii")
    with pytest.raises(SettingsError, match=message):
        read_table(table(folder, HEADER + row + "\n"), columns=TableColumns(numbers=("age",)))


@pytest.mark.parametrize("cell", ["-2.5", "+3", "-", "- unclear", "-ve (weak)", "a=b"])
def test_minus_signs_are_no_formulas(folder: Path, cell: str) -> None:
    assert read_table(table(folder, f"{HEADER}c1,a.nii,b.nii,p1,{cell}\n")).cases[0].facts["age"] == cell


def test_files_outside_are_read_where_allowed(folder: Path) -> None:
    outside = folder.parent / "outside.nii"
    text = f"{HEADER}c1,{outside},../outside.nii,p1,7\n"
    (case,) = read_table(table(folder, text), allow_outside=True).cases
    assert case.images["image"] == outside
    assert case.mask is not None
    assert case.mask.samefile(outside)


def test_paths_may_start_elsewhere(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "cases.csv"
    moved.write_text(HEADER + "c1,a.nii,b.nii,p1,7\n")
    assert read_table(moved, folder=folder).cases[0].mask == folder / "b.nii"


def test_duplicate_ids_are_refused(folder: Path) -> None:
    rows = "c1,a.nii,b.nii,p1,7\nc1,b.nii,b.nii,p1,7\n"
    with pytest.raises(SettingsError, match="found c1 more than once"):
        read_table(table(folder, HEADER + rows))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,id,image\n", "a column stands twice: found 'id'"),
        (HEADER.encode(), "The data set cases is empty"),
        (b"id,image,mask,patient\n\xff\xfe,a,b,c\n", "cannot be read"),
        (b"\x1f\x8b\x08\x00\x00\x00", "cannot be read"),
    ],
)
def test_tables_without_cases_are_refused(folder: Path, content: bytes, message: str) -> None:
    with pytest.raises(MedpipeError, match=message) as caught:
        read_table(table(folder, content))
    assert isinstance(caught.value, SettingsError | NoInputError)


def test_absent_table_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: found No such file"):
        read_table(folder / "none.csv")


def test_an_empty_mask_cell_is_a_case_without_a_mask(folder: Path) -> None:
    (case,) = read_table(table(folder, "id,image,mask,patient\nc1,a.nii,,p1\n")).cases
    assert case.mask is None
