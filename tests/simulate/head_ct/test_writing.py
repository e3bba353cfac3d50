"""The data set on disk: what is read back equals what was simulated, slice by slice."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.slice_stack import SliceStack
from medpipe.io.load import read_series
from medpipe.io.series import Form
from medpipe.io.tree import index_tree
from medpipe.simulate.head_ct.studies import HeadStudy, simulated_head_ct
from medpipe.simulate.head_ct.truth import LABELS
from medpipe.simulate.head_ct.writing import write_head_cts

SEEDS = (3, 7)
"""One evenly spaced and one of two thicknesses, both with bleeds."""
PIXEL_MM = 4.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    write_head_cts(folder, SEEDS, pixel_mm=PIXEL_MM)
    return folder


@pytest.fixture(scope="module")
def studies() -> dict[str, HeadStudy]:
    return {f"head-{seed:05d}": simulated_head_ct(seed, pixel_mm=PIXEL_MM) for seed in SEEDS}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def read_stack(folder: Path) -> SliceStack:
    (study,) = index_tree([folder]).studies
    (series,) = study.series
    stack = read_series(series, form=Form.SLICES)
    assert isinstance(stack, SliceStack)
    return stack


def test_slices_are_read_back_as_they_were_simulated(folder: Path, studies: dict[str, HeadStudy]) -> None:
    assert {len(set(study.image.thickness_mm)) for study in studies.values()} == {2}
    for case_id, study in studies.items():
        stack = read_stack(folder / case_id)
        assert torch.equal(stack.array, study.image.array)
        np.testing.assert_allclose(stack.positions_mm, study.image.positions_mm, atol=1e-6)
        np.testing.assert_allclose(stack.in_plane_mm, study.image.in_plane_mm, atol=1e-6)
        np.testing.assert_allclose(stack.thickness_mm, study.image.thickness_mm)


def test_the_table_of_slices_states_what_each_instance_shows(
    folder: Path, studies: dict[str, HeadStudy]
) -> None:
    stated = {row["slice"]: row for row in rows_of(folder / "slices.csv")}
    assert len(stated) == sum(study.image.num_slices for study in studies.values())
    for case_id, study in studies.items():
        instances = [one.sop_instance_uid for one in read_stack(folder / case_id).source.instances]
        assert {stated[instance]["id"] for instance in instances} == {case_id}
        shown = [[stated[instance][label] == "1" for label in LABELS] for instance in instances]
        np.testing.assert_array_equal(shown, study.truth.visible)


def test_the_table_of_studies_states_labels_and_facts(folder: Path, studies: dict[str, HeadStudy]) -> None:
    rows = rows_of(folder / "studies.csv")
    assert [row["seed"] for row in rows] == [str(seed) for seed in SEEDS]
    for row in rows:
        study = studies[row["id"]]
        assert row["image"] == row["patient"] == row["id"]
        assert {label: row[label] == "1" for label in LABELS} == study.truth.labels
        assert float(row["midline_shift_mm"]) == pytest.approx(study.truth.midline_shift_mm, abs=0.005)
        assert int(row["num_slices"]) == study.image.num_slices
        for kind, volume in study.truth.volumes_ml.items():
            assert float(row[f"{kind.value}_ml"]) == pytest.approx(volume, abs=5e-4)


def test_files_say_that_they_are_simulated_and_are_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    write_head_cts(tmp_path, SEEDS[:1], pixel_mm=PIXEL_MM)
    for path in sorted(tmp_path.glob("head-*/*.dcm")):
        written = path.read_bytes()
        assert b"simulated head CT" in written
        assert written == (folder / path.relative_to(tmp_path)).read_bytes()
