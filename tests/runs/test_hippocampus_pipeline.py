"""The shipped pipeline ``hippocampus``, from files to volumes: the sides stay sides.

The template is exactly symmetric and could not show a swap, so one hippocampus is shrunk, simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medpipe.core.affine import apply_affine
from medpipe.core.codes import Code
from medpipe.core.findings import Laterality, Measurement, Structure
from medpipe.core.volume import Volume
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.nifti import write_volume
from medpipe.io.study_folder import StudyFolder
from medpipe.io.template import load_mni
from medpipe.runs.cohort import render
from medpipe.runs.folder.state import State
from medpipe.runs.options import RunOptions
from medpipe.runs.runner import run
from medpipe.runs.summary import RunSummary
from medpipe.simulate.atrophy import shrink_structure
from medpipe.simulate.mni import oblique_brain
from medpipe.simulate.phantom import all_orientations
from medpipe.simulate.studies import write_small_study
from medpipe.transforms.structure_crop import STRUCTURES
from medpipe.zoo.finder import shipped_folder

pytestmark = pytest.mark.skipif(
    not (shipped_folder() / "hippocampus").is_dir(),
    reason="the model package 'hippocampus' is not among those that come with medpipe",
)

HIPPOCAMPUS = STRUCTURES["hippocampus"]
LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT
MARKED_SHARE = 0.9
"""The marked side is shrunk to 0.7 of its volume; the network sees part of that."""

TIGHT = ("locate.margin_mm=1",)
"""Crops that fit into one patch take a fifth of the time."""


@dataclass(frozen=True)
class Found:
    """What a study folder says: total volume and centroid (RAS mm) of each side."""

    study: StudyFolder

    @property
    def volumes_ml(self) -> dict[Laterality, float]:
        return {
            item.laterality: item.value
            for item in self.study.findings.findings
            if isinstance(item, Measurement) and item.unit == "mL" and item.laterality
        }

    def centroid_mm(self, side: Laterality) -> np.ndarray:
        mask = nib.load(self.study.path / "masks" / f"image_{side}_hippocampus.nii.gz")
        return apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj)).mean(axis=0))

    def assert_smaller_on(self, side: Laterality) -> None:
        other = RIGHT if side is LEFT else LEFT
        assert self.volumes_ml[side] < MARKED_SHARE * self.volumes_ml[other]


@cache
def head(shrunken: Laterality | None) -> Volume:
    """Return the template, one hippocampus shrunk (simulated)."""
    return load_mni() if shrunken is None else shrink_structure(load_mni(), HIPPOCAMPUS, shrunken)


def run_pipeline(scans: Path, output: Path, overrides: tuple[str, ...] = ()) -> RunSummary:
    return run("hippocampus", [scans], output, options=RunOptions("cpu", workers=0), overrides=overrides)


def found_in(summary: RunSummary) -> Mapping[str, Found]:
    """Return what was found in each study by the name of its file or folder."""
    finished = [item for item in summary.states.values() if item.state in (State.DONE, State.FLAGGED)]
    return {
        item.label.split("/")[0].removesuffix(".nii.gz"): Found(
            StudyFolder(summary.folder / "studies" / item.id)
        )
        for item in finished
    }


class TestWholeHeads:
    """Names of the scans: orientation, and the side that was shrunk."""

    @pytest.fixture(scope="class")
    def summary(self, tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
        folder = tmp_path_factory.mktemp("heads")
        (folder / "scans").mkdir()
        for codes, side in (("RAS", None), ("LPS", LEFT), ("SAR", RIGHT), ("IPL", LEFT)):
            write_volume(folder / "scans" / f"{codes}-{side}.nii.gz", head(side).reoriented(codes))
        return run_pipeline(folder / "scans", folder / "out", TIGHT)

    @pytest.mark.parametrize(("codes", "side"), [("LPS", LEFT), ("SAR", RIGHT), ("IPL", LEFT)])
    def test_smaller_volume_is_on_the_marked_side(
        self, summary: RunSummary, codes: str, side: Laterality
    ) -> None:
        found_in(summary)[f"{codes}-{side}"].assert_smaller_on(side)

    def test_plain_template_is_plausible_and_even(self, summary: RunSummary) -> None:
        found = found_in(summary)["RAS-None"]
        volumes = found.volumes_ml
        assert 2.0 < volumes[LEFT] < 6.0
        assert volumes[LEFT] == pytest.approx(volumes[RIGHT], rel=0.03)
        for side in (LEFT, RIGHT):
            off_mm = np.linalg.norm(found.centroid_mm(side) - HIPPOCAMPUS.centre_on(side))
            assert off_mm < 6.0

    def test_masks_lie_on_the_grid_of_the_head(self, summary: RunSummary) -> None:
        study = found_in(summary)["SAR-right"].study
        mask = nib.load(study.path / "masks" / "image_left_hippocampus.nii.gz")
        image = nib.load(summary.folder.parent / "scans" / "SAR-right.nii.gz")
        assert mask.shape == image.shape
        np.testing.assert_allclose(mask.affine, image.affine)
        counted = np.bincount(np.asarray(mask.dataobj).ravel())
        for item in study.findings.findings:
            if isinstance(item, Structure) and item.laterality is LEFT:
                assert item.volume_ml == pytest.approx(counted[item.label] / 1000)

    def test_report_shows_sides_outlines_and_card(self, summary: RunSummary) -> None:
        study = found_in(summary)["LPS-left"].study
        names = [entry.name for entry in study.figures]
        assert names == [
            *("overlay-image_left", "slices-image_left", "overlay-image_right", "slices-image_right"),
            *("mosaic_axial", "mosaic_coronal", "mosaic_sagittal"),
        ]
        page = (study.path / "report.html").read_text()
        for text in ("Left and right", "Left hippocampus", "Right hippocampus", 'id="models"', "Limits"):
            assert text in page
        render(summary.folder)
        assert (study.path / "report.html").read_text() == page

    def test_cohort_page_compares_the_volumes(self, summary: RunSummary) -> None:
        page = summary.index_page.read_text()
        assert "left hippocampus volume" in page
        assert "right hippocampus volume" in page

    @pytest.mark.slow
    def test_every_orientation_keeps_the_sides(self, tmp_path: Path) -> None:
        sides = {codes: (LEFT, RIGHT)[number % 2] for number, codes in enumerate(all_orientations())}
        assert len(sides) == 48
        (tmp_path / "scans").mkdir()
        for codes, side in sides.items():
            write_volume(tmp_path / "scans" / f"{codes}.nii.gz", head(side).reoriented(codes))
        found = found_in(run_pipeline(tmp_path / "scans", tmp_path / "out"))
        assert set(found) == set(sides)
        for codes, side in sides.items():
            found[codes].assert_smaller_on(side)

    @pytest.mark.slow
    @pytest.mark.parametrize("side", [LEFT, RIGHT])
    def test_oblique_dicom_keeps_the_sides(self, side: Laterality, tmp_path: Path) -> None:
        labels = SeriesLabels(seed=f"shrunken {side}", series_description="MNI152 T1, simulated atrophy")
        write_series(oblique_brain(head(side)), tmp_path / "scans", labels=labels)
        (found,) = found_in(run_pipeline(tmp_path / "scans", tmp_path / "out")).values()
        found.assert_smaller_on(side)


class TestOtherInput:
    @pytest.mark.slow
    def test_crop_passes_with_a_note_and_without_a_side(self, tmp_path: Path) -> None:
        (tmp_path / "scans").mkdir()
        brain = head(None)
        i, j, k = brain.grid.to_voxels((-44.0, -45.0, -33.0)).round().astype(int)
        affine = brain.affine.copy()
        affine[:3, 3] = apply_affine(brain.affine, (i, j, k))
        array = brain.array[:, i : i + 36, j : j + 50, k : k + 36]
        write_volume(tmp_path / "scans" / "crop.nii.gz", Volume(array, affine, "MR", brain.source))
        summary = run_pipeline(tmp_path / "scans", tmp_path / "out")
        (found,) = found_in(summary).values()
        assert Code.W_CROP in [item.flag for item in found.study.findings.flags]
        volumes = {
            item.name: item.value for item in found.study.findings.findings if isinstance(item, Measurement)
        }
        assert 2.0 < volumes["hippocampus volume"] < 6.0

    def test_ct_is_refused(self, tmp_path: Path) -> None:
        write_small_study(tmp_path / "scans", 1)
        assert refusal(run_pipeline(tmp_path / "scans", tmp_path / "out")) == (Code.E_MODALITY, "index")

    def test_radiograph_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "scans").mkdir()
        Image.fromarray(np.eye(64, dtype=np.uint8) * 200).save(tmp_path / "scans" / "chest.png")
        assert refusal(run_pipeline(tmp_path / "scans", tmp_path / "out")) == (Code.E_NO_MATCH, "index")

    def test_image_without_contrast_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "scans").mkdir()
        image = nib.Nifti1Image(np.ones((40, 40, 40), np.float32), np.diag([4.0, 4.0, 4.0, 1.0]))
        nib.save(image, tmp_path / "scans" / "flat.nii.gz")
        assert refusal(run_pipeline(tmp_path / "scans", tmp_path / "out")) == (Code.E_REGISTRATION, "locate")

    @pytest.mark.slow
    def test_noise_is_refused_as_no_head(self, tmp_path: Path) -> None:
        (tmp_path / "scans").mkdir()
        values = np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32)
        nib.save(nib.Nifti1Image(values, np.diag([4.0, 4.0, 4.0, 1.0])), tmp_path / "scans" / "noise.nii.gz")
        assert refusal(run_pipeline(tmp_path / "scans", tmp_path / "out")) == (Code.E_REGISTRATION, "locate")


def refusal(summary: RunSummary) -> tuple[Code, str]:
    """Return code and stage of the one study, which was refused."""
    (item,) = summary.states.values()
    assert item.state is State.REFUSED
    return item.reasons[0].code, item.stage
