"""The stage ``classify`` with a trained network: findings, figures, flags, and unusual series."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from medpipe.core.codes import Code
from medpipe.core.findings import Label, Measurement, QualityFlag
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.study_folder import StudyFolder
from medpipe.runs.single import run_stage
from medpipe.runs.summary import RunSummary
from medpipe.training.result import TrainingResult

from .conftest import SpotStudies


@pytest.fixture
def package(trained: TrainingResult) -> str:
    assert trained.package is not None
    return str(trained.package.path)


def study_of(summary: RunSummary) -> StudyFolder:
    return StudyFolder(next((summary.folder / "studies").iterdir()))


def only(study: StudyFolder, kind: type[Any]) -> list[Any]:
    return [item for item in study.findings.findings if isinstance(item, kind)]


def classify(package: str, scan: Path, output: Path, **params: Any) -> RunSummary:
    return run_stage("classify", [scan], output, params={"package": package, **params})


def write_ct(folder: Path, depths_mm: list[float], *, modality: str = "CT") -> Path:
    """Write a series of slices 40 x 36 of 2 mm with a spot in the third."""
    array = torch.full((len(depths_mm), 1, 40, 36), 20.0)
    if len(depths_mm) > 2:
        array[2, 0, 18:24, 14:20] = 70.0
    stack = SliceStack(
        array=array,
        in_plane_mm=np.array(((-2.0, 0.0), (0.0, -2.0), (0.0, 0.0))),
        positions_mm=np.array([[0.0, 0.0, depth] for depth in depths_mm]),
        thickness_mm=np.full(len(depths_mm), 4.0),
        modality=modality,
        source=Source(kind=SourceKind.MEMORY),
    )
    labels = SeriesLabels(
        seed=str(depths_mm), series_description="simulated spots", patient_name="SIM^SPOT", patient_id="SIM-1"
    )
    write_series(stack, folder, labels=labels)
    return folder


class TestFindings:
    def test_state_each_label_with_its_curve(
        self, package: str, spot_studies: SpotStudies, tmp_path: Path
    ) -> None:
        scan = spot_studies.table.parent / "study-03.nii.gz"
        study = study_of(classify(package, scan, tmp_path / "out"))
        spot, edge = only(study, Label)
        assert (spot.id, edge.id) == ("spots/image/spot", "spots/image/edge")
        assert len(spot.slice_probabilities) == nib.load(scan).shape[2]
        assert edge.slice_probabilities == ()
        assert spot.uncertainty.low <= spot.probability <= spot.uncertainty.high
        (brightness,) = only(study, Measurement)
        assert brightness.name == "Brightness"

    def test_are_drawn(self, package: str, tmp_path: Path) -> None:
        scan = write_ct(tmp_path / "scan", [0.0, 4.0, 8.0, 12.0, 16.0])
        study = study_of(classify(package, scan, tmp_path / "out", key_slices=2))
        names = {path.stem for path in (study.path / "figures").iterdir()}
        assert "slice_curve" in names
        assert ("key_slices" in names) is any(label.is_positive for label in only(study, Label))
        assert "spots" in (study.path / "report.html").read_text()


class TestUnusualSeries:
    def test_uneven_slices_are_answered_about(self, package: str, tmp_path: Path) -> None:
        scan = write_ct(tmp_path / "scan", [0.0, 4.0, 8.0, 15.0, 22.0])
        study = study_of(classify(package, scan, tmp_path / "out"))
        assert len(only(study, Label)[0].slice_probabilities) == 5
        flags = {item.flag for item in only(study, QualityFlag)}
        assert Code.W_SPACING in flags

    def test_beyond_what_was_trained_on_is_flagged(self, package: str, tmp_path: Path) -> None:
        scan = write_ct(tmp_path / "scan", [9.0 * number for number in range(12)])
        flags = [
            item
            for item in only(study_of(classify(package, scan, tmp_path / "out")), QualityFlag)
            if item.flag is Code.W_UNSEEN
        ]
        assert [item.found for item in flags][:2] == [
            "12 slices, trained on 5 to 9",
            "distances of 9.0 to 9.0 mm, trained on 4.0 to 4.0 mm",
        ]

    def test_what_looks_unlike_it_is_flagged(
        self, package: str, spot_studies: SpotStudies, tmp_path: Path
    ) -> None:
        scan = spot_studies.table.parent / "study-03.nii.gz"
        image = nib.load(scan)
        noise = np.random.default_rng(1).normal(300, 200, size=image.shape).astype(np.int16)
        nib.save(nib.Nifti1Image(noise, image.affine), tmp_path / "noise.nii.gz")
        found = {
            path.name: [
                item.found
                for item in only(study_of(classify(package, path, tmp_path / path.stem)), QualityFlag)
                if item.flag is Code.W_UNSEEN
            ]
            for path in (scan, tmp_path / "noise.nii.gz")
        }
        assert found[scan.name] == []
        (words,) = found["noise.nii.gz"]
        assert words.startswith("slices unlike those that it was trained on: ")

    def test_a_single_slice_is_answered_and_flagged(self, package: str, tmp_path: Path) -> None:
        scan = write_ct(tmp_path / "scan", [0.0])
        study = study_of(classify(package, scan, tmp_path / "out"))
        assert len(only(study, Label)) == 2
        assert Code.W_UNSEEN in {item.flag for item in only(study, QualityFlag)}

    def test_another_modality_is_refused(self, package: str, tmp_path: Path) -> None:
        scan = write_ct(tmp_path / "scan", [0.0, 4.0, 8.0], modality="MR")
        summary = classify(package, scan, tmp_path / "out")
        assert summary.counts["refused"] == 1
