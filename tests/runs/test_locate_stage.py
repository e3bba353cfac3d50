"""The stage that crops both sides: sides stay sides, crops pass, wrong input is refused."""

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medpipe.core.affine import apply_affine
from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.findings import Measurement
from medpipe.core.grid import Grid
from medpipe.core.settings import SettingsFile
from medpipe.core.source import GeometryNote
from medpipe.core.volume import Volume
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.load import read_series
from medpipe.io.series import Form
from medpipe.io.template import load_mni
from medpipe.io.tree import index_tree
from medpipe.runs.catalogue import STAGES
from medpipe.runs.pipeline import Pipeline, build_pipeline
from medpipe.runs.stage import StageContext
from medpipe.runs.stages.locate import Locate, LocateParams
from medpipe.runs.unit import Unit
from medpipe.simulate.mni import oblique_brain
from medpipe.simulate.resample import resample

MARK_MM = (26.0, -20.0, -15.0)
"""The hippocampus on the right, which a simulated mark dims; the template alone shows no side."""

MARK_RADIUS_MM = 9.0
CATALOGUE = {**STAGES, "locate": "medpipe.runs.stages.locate:Locate"}


def near(volume: Volume, point_mm: tuple[float, float, float], radius_mm: float) -> torch.Tensor:
    """Return which voxels lie near a point."""
    voxels = np.stack(np.meshgrid(*map(np.arange, volume.grid.shape), indexing="ij"), axis=-1)
    distance = np.linalg.norm(apply_affine(volume.affine, voxels) - point_mm, axis=-1)
    return torch.from_numpy(distance < radius_mm)


def marked(volume: Volume) -> Volume:
    """Return a head whose right hippocampus has half of its brightness."""
    mark = near(volume, MARK_MM, MARK_RADIUS_MM)
    return volume.with_array(torch.where(mark, 0.5, 1.0) * volume.array)


@cache
def locate(**params: float) -> Locate:
    stage = Locate(LocateParams.model_validate(params))
    stage.open("cpu")
    return stage


def located(image: Volume) -> Case:
    case = Case("st-1", images={"image": image}, sources={"image": image.source})
    return locate()(case, StageContext("cpu", 0, Path(), Unit("st-1", "")))


def read_back(folder: Path) -> Volume:
    """Read the one series of a folder."""
    (study,) = index_tree([folder]).studies
    (series,) = study.series
    image = read_series(series, form=Form.VOLUME)
    assert isinstance(image, Volume)
    return image


def written_as_nifti(volume: Volume, folder: Path) -> Volume:
    image = nib.Nifti1Image(volume.array[0].numpy(), volume.affine)
    image.set_qform(volume.affine, code=1)
    image.set_sform(volume.affine, code=1)
    nib.save(image, folder / "head.nii.gz")
    return read_back(folder)


def assert_mark_is_on_the_right(case: Case) -> None:
    left, right = case.images["image_left"], case.images["image_right"]
    assert isinstance(left, Volume)
    assert isinstance(right, Volume)
    x, y, z = MARK_MM
    dimmed = right.array[0][near(right, (x, y, z), MARK_RADIUS_MM - 3)]
    plain = left.array[0][near(left, (-x, y, z), MARK_RADIUS_MM - 3)]
    assert dimmed.numel() > 10
    assert plain.numel() > 10
    assert float(dimmed.mean()) < 0.65 * float(plain.mean())


class TestSides:
    @pytest.fixture(scope="class")
    def case(self, tmp_path_factory: pytest.TempPathFactory) -> Case:
        head = marked(load_mni(spacing_mm=2)).reoriented("LPS")
        return located(written_as_nifti(head, tmp_path_factory.mktemp("head")))

    def test_mark_stays_on_the_right(self, case: Case) -> None:
        assert_mark_is_on_the_right(case)

    def test_crops_stand_beside_the_head_on_its_grid(self, case: Case) -> None:
        assert set(case.images) == set(case.sources) == {"image", "image_left", "image_right"}
        head = case.images["image"]
        assert isinstance(head, Volume)
        for role in ("image_left", "image_right"):
            crop = case.images[role]
            assert isinstance(crop, Volume)
            np.testing.assert_array_equal(crop.affine[:3, :3], head.affine[:3, :3])
            offset = head.grid.to_voxels(crop.affine[:3, 3])
            np.testing.assert_allclose(offset, offset.round(), atol=1e-9)

    def test_registration_is_told_as_findings(self, case: Case) -> None:
        values = {
            item.name: (item.value, item.unit) for item in case.findings if isinstance(item, Measurement)
        }
        assert values["size beside the template"][0] == pytest.approx(1.0, abs=0.05)
        assert values["mutual information with the template"][0] > 0.5
        assert values["distance of the two best starts"][0] < 2.0
        assert values["turn against the template"] == (pytest.approx(0.0, abs=1.0), "deg")
        assert case.flags == ()

    @pytest.mark.slow
    def test_mark_stays_on_the_right_in_oblique_dicom(self, tmp_path: Path) -> None:
        labels = SeriesLabels(seed="marked", series_description="MNI152 T1 with a simulated mark")
        write_series(marked(oblique_brain()), tmp_path, labels=labels)
        case = located(read_back(tmp_path))
        assert_mark_is_on_the_right(case)
        assert [note.flag for note in case.flags] == [Code.W_TURNED]

    @pytest.mark.slow
    @pytest.mark.parametrize("codes", ["RAS", "SAR", "ALI", "IPR"])
    def test_mark_stays_on_the_right_in_other_orientations(self, codes: str, tmp_path: Path) -> None:
        head = marked(load_mni(spacing_mm=2)).reoriented(codes)
        assert_mark_is_on_the_right(located(written_as_nifti(head, tmp_path)))


class TestTurnedHeads:
    DEGREES = 15.0

    @pytest.fixture(scope="class")
    def turn(self) -> np.ndarray:
        turn = np.eye(4)
        cosine, sine = np.cos(np.radians(self.DEGREES)), np.sin(np.radians(self.DEGREES))
        turn[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
        return turn

    @pytest.fixture(scope="class")
    def case(self, turn: np.ndarray) -> Case:
        """Locate a marked head whose grid lies obliquely in it: only the template's space is turned."""
        head = marked(load_mni(spacing_mm=2))
        return located(Volume(head.array, turn @ head.affine, "MR", head.source))

    def test_crops_are_those_of_the_turned_grid(self, case: Case) -> None:
        # Head and grid are turned alike, so they lie straight to each other: nothing is interpolated.
        assert case.flags == ()

    def test_upright_crops_are_flagged_and_keep_their_sides(self, turn: np.ndarray) -> None:
        head = marked(load_mni(spacing_mm=2))
        scanner = Grid(
            (100, 110, 95), np.array([[2.0, 0, 0, -99], [0, 2, 0, -125], [0, 0, 2, -80], [0, 0, 0, 1]])
        )
        posed = Volume(head.array, turn @ head.affine, "MR", head.source)
        case = located(resample(posed, scanner))
        (note,) = case.flags
        assert (note.flag, note.found) == (Code.W_TURNED, "15 degrees")
        left, right = (case.images[f"image_{side}"] for side in ("left", "right"))
        assert isinstance(left, Volume)
        assert isinstance(right, Volume)
        dimmed, plain = (
            crop.array[0][near(crop, place, MARK_RADIUS_MM - 3)].mean()
            for crop, place in ((right, MARK_MM), (left, (-MARK_MM[0], *MARK_MM[1:])))
            for place in [tuple(apply_affine(turn, np.array(place)))]
        )
        assert float(dimmed) < 0.65 * float(plain)
        np.testing.assert_allclose(
            np.linalg.inv(turn)[:3, :3] @ right.affine[:3, :3], 2 * np.eye(3), atol=0.05
        )


class TestInput:
    def test_crop_passes_untouched_with_a_note(self) -> None:
        crop = Volume(torch.ones(1, 35, 50, 36), np.eye(4), "MR", load_mni(spacing_mm=2).source)
        case = located(crop)
        assert case.images == {"image": crop}
        (note,) = case.flags
        assert (note.flag, note.found) == (Code.W_CROP, "35 x 50 x 36 mm")

    def test_head_without_orientation_is_refused(self) -> None:
        template = load_mni(spacing_mm=2)
        note = GeometryNote(code=Code.W_NO_FORM, message="no orientation")
        head = Volume(template.array, template.affine, "MR", template.source.with_notes(note))
        with pytest.raises(RefusedError, match="Left and right cannot be told apart") as caught:
            located(head)
        assert caught.value.code is Code.E_NO_FORM

    @pytest.mark.slow
    def test_noise_is_refused_with_the_metric(self) -> None:
        values = np.random.default_rng(0).normal(size=(1, 40, 40, 40)).astype(np.float32)
        grid = Grid((40, 40, 40), np.diag([4.0, 4.0, 4.0, 1.0]))
        noise = Volume(torch.from_numpy(values), grid.affine, "MR", load_mni(spacing_mm=2).source)
        with pytest.raises(RefusedError, match=r"mutual information 0\.0\d+, at least 0\.2") as caught:
            located(noise)
        assert caught.value.code is Code.E_REGISTRATION


class TestPipeline:
    def build(self, form: str, **params: object) -> Pipeline:
        stages = [{"use": "load"}, {"use": "locate", **params}, {"use": "report"}]
        data = {"name": "toy", "accepts": {"image": {"form": [form]}}, "stages": stages}
        return build_pipeline(SettingsFile("toy.yaml", data, {}), catalogue=CATALOGUE)

    def test_volumes_are_taken(self) -> None:
        assert self.build("volume", structure="hippocampus").stages[1].params == LocateParams()

    def test_slices_are_not_taken(self) -> None:
        with pytest.raises(SettingsError, match="'locate' takes volume: found slices"):
            self.build("slices")

    def test_unknown_structure_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="'structure' is not valid"):
            self.build("volume", structure="heart")
