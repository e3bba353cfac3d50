"""Every fault that the registry writes becomes what its entry says, through the index and the reader."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from medpipe.core.errors import RefusedError
from medpipe.io.load import read_series
from medpipe.io.series import Form, Series, TreeIndex
from medpipe.io.tree import index_tree
from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.faults.registry import Expected, Fault, Outcome


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for closed in tmp_path.glob("closed"):
        closed.chmod(stat.S_IRWXU)  # so that it can be deleted


def written(fault: Fault, folder: Path) -> TreeIndex:
    fault.write(folder, "test")
    return index_tree((folder,))


def all_series(index: TreeIndex) -> list[Series]:
    return [series for study in index.studies for series in study.series]


def outcome_of(series: Series, form: Form) -> Expected:
    try:
        image = read_series(series, form=form)
    except RefusedError as error:
        return Expected(Outcome.REFUSED, error.code)
    codes = {note.code for note in image.source.notes}
    if not codes:
        return Expected(Outcome.DONE)
    (code,) = codes
    return Expected(Outcome.FLAGGED, code)


@pytest.mark.parametrize("fault", ALL_FAULTS.values(), ids=ALL_FAULTS.keys())
def test_fault_becomes_what_its_entry_says(fault: Fault, folder: Path) -> None:
    index = written(fault, folder)
    found = all_series(index)
    assert len(found) == fault.num_images
    for series in found:
        assert outcome_of(series, series.form) == fault.expected


@pytest.mark.parametrize(
    "fault",
    [fault for fault in ALL_FAULTS.values() if fault.as_slices != fault.expected],
    ids=lambda fault: fault.name,
)
def test_what_is_no_volume_is_still_read_as_slices(fault: Fault, folder: Path) -> None:
    (series,) = all_series(written(fault, folder))
    assert outcome_of(series, Form.SLICES) == fault.as_slices


@pytest.mark.parametrize("fault", ALL_FAULTS.values(), ids=ALL_FAULTS.keys())
def test_every_file_is_in_a_study_or_counted_as_skipped(fault: Fault, folder: Path) -> None:
    index = written(fault, folder)
    in_studies = {path for study in index.studies for path in study.paths}
    skipped = {entry.path for entry in index.skipped}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files <= in_studies | skipped


def test_the_catalogue_holds_every_row_of_the_specification() -> None:
    assert len(ALL_FAULTS) >= 50
    assert all(fault.title for fault in ALL_FAULTS.values())
