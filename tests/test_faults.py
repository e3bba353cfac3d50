"""Every fault that the registry writes becomes what its entry says, through the index and the reader."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from medpipe.core.errors import RefusedError
from medpipe.core.volume import Volume
from medpipe.io.load import read_series
from medpipe.io.series import Form, Series, Trait, TreeIndex
from medpipe.io.tree import index_tree
from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.faults.registry import Expected, Fault, Outcome
from medpipe.simulate.faults.series import NUM_SLICES, SIZE, tilted
from medpipe.simulate.small_ct import small_ct


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
        if Trait.LOCALIZER not in series.traits:  # it is set aside, whatever it is
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


@pytest.mark.parametrize(
    "name",
    [
        "instance_numbers_shuffled",
        "instance_numbers_equal",
        "slice_twice",
        "monochrome1_ct",
        "slope_per_slice",
        "preamble_missing",
        "documents_beside",
        "enhanced_ct",
    ],
)
def test_what_is_read_holds_the_right_value_at_the_right_place(name: str, folder: Path) -> None:
    (series,) = all_series(written(ALL_FAULTS[name], folder))
    volume = read_series(series, form=Form.VOLUME)
    source = small_ct(num_slices=NUM_SLICES, size=SIZE)
    assert isinstance(volume, Volume)
    assert volume.grid.matches(source.grid)
    torch.testing.assert_close(volume.array, source.array, rtol=0, atol=0)


def test_tilt_keeps_the_positions_that_were_written(folder: Path) -> None:
    (series,) = all_series(written(ALL_FAULTS["gantry_tilt"], folder))
    volume = read_series(series, form=Form.VOLUME)
    source = small_ct(num_slices=NUM_SLICES, size=SIZE, affine=tilted(15.0))
    assert isinstance(volume, Volume)
    assert volume.grid.matches(source.grid)
    torch.testing.assert_close(volume.array, source.array, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "trait"), [("localizer_inside", Trait.LOCALIZER), ("derived_beside", Trait.DERIVED)]
)
def test_what_is_set_aside_says_why(name: str, trait: Trait, folder: Path) -> None:
    traits = [series.traits for series in all_series(written(ALL_FAULTS[name], folder))]
    assert sum(trait in each for each in traits) == 1
    assert sum(not each for each in traits) == 1


def test_the_catalogue_holds_every_row_of_the_specification() -> None:
    assert len(ALL_FAULTS) >= 50
    assert all(fault.title for fault in ALL_FAULTS.values())
