"""The stage that asks for views, from the pipeline file to the report."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.findings import CodedConcept, Laterality, Structure
from medpipe.core.labels import LabelSpec
from medpipe.core.preprocessing import Channel, Preprocessing, ZScore
from medpipe.core.settings import parse_settings
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.study_folder import StudyFolder
from medpipe.models.registry import build_network
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import Pipeline, build_pipeline
from medpipe.runs.runner import run
from medpipe.runs.stage import StageContext
from medpipe.runs.stages.augment import Augment, AugmentParams
from medpipe.runs.stages.segment import Segment, SegmentParams
from medpipe.runs.unit import Unit
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.writing import write_package

CARD = "# Toy\n\nSays nothing.\n" + "".join(
    f"\n## {title}\nNone, 0 (0 to 0): not for diagnosis.\n"
    for title in ("Data", "Licence", "Figures", "Limits", "Command")
)
CONTEXT = StageContext("cpu", 11, Path(), Unit("st-1", ""))
MIRRORS = "name: mirrors\nflips: {probability: 1, axes: [left_right]}\n"


def label(value: int, side: Laterality | None) -> LabelSpec:
    code = CodedConcept(scheme="99MEDPIPE", value=f"part{value}", meaning=f"Part {value}")
    return LabelSpec(value=value, name=f"part{value}", code=code, laterality=side)


def package(
    folder: Path, *, mirror_right: bool = False, sides: tuple[Laterality | None, ...] = (None,)
) -> str:
    """Write an untrained package; its label maps mean nothing and follow from the image alone."""
    network = NetworkSpec(
        name="unet", arguments={"in_channels": 1, "num_classes": len(sides) + 1, "channels": [4, 8]}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        state = build_network(network.name, network.arguments).state_dict()
    spec = SegmentationSpec(
        name="toy",
        version="1.0.0",
        summary="Says nothing",
        task="segmentation",
        network=network,
        preprocessing=Preprocessing(
            channels=(Channel(name="image", modality="MR", intensity=ZScore()),),
            mirror_right=mirror_right,
            spacing_mm=(1.0, 1.0, 1.0),
            patch_shape=(16, 12, 8),
            multiple_of=4,
        ),
        labels=tuple(label(value, side) for value, side in enumerate(sides, start=1)),
        licence="CC0-1.0",
    )
    return str(write_package(folder / "toy", spec, state, card=CARD, licence="Public domain\n").path)


def pipeline(package: str, *stages: str, overrides: tuple[str, ...] = ()) -> Pipeline:
    middle = stages or ("{use: augment, recipe: mr-crop, views: 3}", f"{{use: segment, package: {package}}}")
    lines = "".join(f"  - {stage}\n" for stage in ("use: load", *middle, "use: report"))
    text = f"name: views\naccepts:\n  image: {{modality: [MR]}}\nstages:\n{lines}"
    return build_pipeline(parse_settings(text, name="views.yaml"), overrides=overrides)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Write smooth noise, 1.2 x 1 x 0.9 mm."""
    noise = torch.randn(1, 1, 5, 6, 4, generator=torch.Generator().manual_seed(1))
    array = torch.nn.functional.interpolate(noise, size=(20, 24, 18), mode="trilinear")[0, 0].numpy()
    path = tmp_path / "scans" / "scan.nii.gz"
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(100 + 40 * array, np.diag([1.2, 1.0, 0.9, 1.0])), path)
    return path


def run_into(folder: Path, chosen: Pipeline, scan: Path) -> StudyFolder:
    run(chosen, [scan], folder, options=RunOptions("cpu", workers=0, update=True))
    (study,) = (folder / "studies").iterdir()
    return StudyFolder(study)


def structures(study: StudyFolder) -> list[Structure]:
    return [item for item in study.findings.findings if isinstance(item, Structure)]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def volume(modality: str = "MR") -> Volume:
    array = torch.arange(12.0 * 10 * 8).reshape(1, 12, 10, 8) % 37
    return Volume(array, np.eye(4), modality, Source(kind=SourceKind.MEMORY))


def case_of(image: Volume) -> Case:
    return Case("st-1", images={"image": image}, sources={"image": image.source})


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))


class TestRun:
    def test_volumes_get_a_spread_that_the_report_shows(self, scan: Path, tmp_path: Path) -> None:
        study = run_into(tmp_path / "run", pipeline(package(tmp_path)), scan)
        (found,) = structures(study)
        spread = found.uncertainty
        assert spread is not None
        assert (spread.level, spread.method) == (0, "views")
        assert spread.low < spread.high
        mask = np.asarray(nib.load(study.path / "masks" / "image_toy.nii.gz").dataobj)
        assert found.volume_ml == pytest.approx(np.count_nonzero(mask) * 1.2 * 0.9 / 1000)
        assert "(spread, views)" in (study.path / "report.html").read_text()

    def test_again_gives_the_same_bytes(self, scan: Path, tmp_path: Path) -> None:
        chosen = pipeline(package(tmp_path))
        first, second = (run_into(tmp_path / name, chosen, scan) for name in ("one", "two"))
        assert first.path.name == second.path.name
        assert digests(first.path) == digests(second.path)

    def test_parameters_and_recipe_are_part_of_the_key(self, scan: Path, tmp_path: Path) -> None:
        own = tmp_path / "own.yaml"
        own.write_text("extends: mr-crop\nname: own\n")
        name = package(tmp_path)
        stages = (f"{{use: augment, recipe: {own}}}", f"{{use: segment, package: {name}}}")
        keys, volumes = [], []
        for change in ("", "noise: null\n", "affine: {probability: 1, scale: [0.8, 0.9]}\n"):
            own.write_text(f"extends: mr-crop\nname: own\n{change}")
            study = run_into(tmp_path / "run", pipeline(name, *stages), scan)
            keys.append([record.key for record in study.provenance.stages])
            volumes.append(structures(study))
        # Noise is no part of views: nothing changes. The affine is: the stage and all after it run again.
        assert keys[0] == keys[1]
        assert keys[0][0] == keys[2][0]
        assert not set(keys[0][1:]) & set(keys[2][1:])
        assert volumes[0] == volumes[1] != volumes[2]
        fewer = run_into(tmp_path / "run", pipeline(name, *stages, overrides=("augment.views=2",)), scan)
        assert structures(fewer) != volumes[2]

    def test_without_the_stage_there_is_no_spread(self, scan: Path, tmp_path: Path) -> None:
        name = package(tmp_path)
        study = run_into(tmp_path / "run", pipeline(name, f"{{use: segment, package: {name}}}"), scan)
        assert [item.uncertainty for item in structures(study)] == [None]


class TestFile:
    def test_views_that_nobody_predicts_are_refused(self, tmp_path: Path) -> None:
        augment, segment = "{use: augment, recipe: mr}", f"{{use: segment, package: {package(tmp_path)}}}"
        assert pipeline("", augment, "use: measure", segment).stages[1].name == "augment"
        for stages in ((augment,), (segment, augment), (augment, "use: measure")):
            with pytest.raises(SettingsError, match=r"views.yaml, line \d: the stage 'augment' gives views"):
                pipeline("", *stages)

    @pytest.mark.parametrize(
        ("stage", "message"),
        [
            ("{use: augment, recipe: mr-crob}", "no recipe 'mr-crob'.*Did you mean 'mr-crop'"),
            ("{use: augment, recipe: mr, views: 0}", "line 7: 'views' is not valid.*found 0"),
            ("{use: augment, views: 2}", "line 7: the key 'recipe' is missing"),
        ],
    )
    def test_wrong_parameters_are_refused(self, stage: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=f"(?s){message}"):
            pipeline("", "use: measure", stage)

    def test_recipe_that_makes_no_views_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "noise.yaml").write_text("extends: mr\nname: noise\naffine: null\n")
        with pytest.raises(SettingsError, match="'noise' makes no views: found no affine and no flips"):
            pipeline("", f"{{use: augment, recipe: {tmp_path / 'noise.yaml'}}}")


class TestStage:
    def test_request_is_small_and_seeded_by_the_unit(self) -> None:
        case = case_of(volume())
        asked = Augment(AugmentParams(recipe="mr-crop", views=5))(case, CONTEXT)
        assert asked.images == case.images
        assert asked.views is not None
        assert (asked.views.copies, asked.views.seed) == (5, CONTEXT.seed)
        assert json.loads(asked.views.recipe)["name"] == "mr-crop"

    def test_image_of_another_modality_is_refused_before_a_model_runs(self) -> None:
        with pytest.raises(RefusedError, match="recipe 'mr-crop' is for MR: found CT") as caught:
            Augment(AugmentParams(recipe="mr-crop"))(case_of(volume("CT")), CONTEXT)
        assert caught.value.code is Code.E_MODALITY


class TestSides:
    def predicted(self, tmp_path: Path, recipe: str, side: str = "", **changes: object) -> Case:
        path = tmp_path / "own.yaml"
        path.write_text(recipe)
        stage = Segment(SegmentParams.model_validate({"package": package(tmp_path, **changes), "side": side}))  # type: ignore[arg-type]
        stage.open("cpu")
        return stage(Augment(AugmentParams(recipe=str(path)))(case_of(volume()), CONTEXT), CONTEXT)

    def test_package_that_knows_both_sides_sees_mirror_images(self, tmp_path: Path) -> None:
        assert set(self.predicted(tmp_path, MIRRORS).masks) == {"image_toy"}

    @pytest.mark.parametrize(
        ("side", "changes"),
        [
            ("", {"mirror_right": True}),
            ("left", {}),
            ("", {"sides": (Laterality.LEFT, Laterality.RIGHT)}),
        ],
        ids=["knows the left alone", "one side", "names sides"],
    )
    def test_mirror_images_are_left_out_where_they_would_mislead(
        self, side: str, changes: dict[str, object], tmp_path: Path
    ) -> None:
        with pytest.raises(SettingsError, match="found left-right flips alone, where sides matter"):
            self.predicted(tmp_path, MIRRORS, side, **changes)

    def test_labels_that_name_sides_may_be_exchanged(self, tmp_path: Path) -> None:
        sides = (Laterality.LEFT, Laterality.RIGHT)
        recipe = MIRRORS.replace("[left_right]", "[left_right], swap_labels: [[1, 2]]")
        case = self.predicted(tmp_path, recipe, sides=sides)
        assert [item.laterality for item in case.findings if isinstance(item, Structure)] == list(sides)
