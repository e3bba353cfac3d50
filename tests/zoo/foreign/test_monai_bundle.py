"""Bundles of MONAI as packages: what becomes of each part, and what is refused."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import UNet

from medpipe.core.errors import SettingsError
from medpipe.core.network_grid import SpacingGrid, WayBack
from medpipe.core.patches import PatchPlaces, PatchWeights
from medpipe.core.preprocessing import Channel, PercentileScale, Preprocessing, Region, WindowScale, ZScore
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.segmenter import load_segmenter
from medpipe.zoo.card import NOT_EVALUATED
from medpipe.zoo.foreign.foreign_model import ForeignModel
from medpipe.zoo.foreign.monai_bundle import read_bundle
from medpipe.zoo.writing import write_package

Config = dict[str, Any]
Edit = Callable[[Config], None]
LOAD, FIRST, ORIENT, SPACE, WINDOW, TYPE = range(6)


class MakeBundle(Protocol):
    def __call__(
        self, *, edit_inference: Edit = ..., edit_metadata: Edit = ..., weights: object = ...
    ) -> Path: ...


def read(folder: Path) -> ForeignModel:
    return read_bundle(folder, name="spleen", licence="Apache-2.0")


@torch.inference_mode()
def give_all_classes(network: UNet) -> None:
    """Shift the last bias so that no class is the highest everywhere."""
    logits = network(torch.rand(1, 1, 32, 32, 16, generator=torch.Generator().manual_seed(4)))
    *_, last = (item for name, item in network.named_parameters() if name.endswith("bias"))
    last -= logits.mean(dim=(0, 2, 3, 4))


def transforms(config: Config) -> list[Config]:
    found: list[Config] = config["preprocessing"]["transforms"]
    return found


class TestTakenOver:
    def test_specification_says_what_the_bundle_says(self, make_bundle: MakeBundle) -> None:
        spec = read(make_bundle()).spec
        assert (spec.name, spec.version, spec.licence) == ("spleen", "0.5.4", "Apache-2.0")
        window = WindowScale(low_hu=-100.0, high_hu=200.0)
        assert spec.preprocessing == Preprocessing(
            channels=(Channel(name="image", modality="CT", intensity=window),),
            orientation="RAS",
            spacing_mm=(3.0, 3.0, 3.0),
            spacing_grid=SpacingGrid.FIRST_VOXEL,
            way_back=WayBack.PROBABILITIES,
            patch_shape=(32, 32, 16),
            patch_overlap=0.5,
            patch_places=PatchPlaces.STEPS,
            patch_weights=PatchWeights.EQUAL,
        )
        assert [(label.name, label.code.meaning) for label in spec.labels] == [
            ("spleen", "Spleen"),
            ("kidney_left", "kidney (left)"),
        ]
        assert spec.origin is not None
        assert (spec.origin.kind, spec.origin.name) == ("monai-bundle", "Spleen & kidney")

    def test_package_gives_the_logits_of_monai(
        self, make_bundle: MakeBundle, tmp_path: Path, monai_network: UNet
    ) -> None:
        model = read(make_bundle())
        package = write_package(
            tmp_path / "spleen", model.spec, model.state, card=model.card, licence=model.licence
        )
        images = torch.rand(1, 1, 32, 32, 16, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            expected = monai_network(images)
            found = package.load_network()(images).logits
        # The package keeps eleven bits of each weight.
        torch.testing.assert_close(found, expected, rtol=0, atol=5e-3 * float(expected.std()))

    def test_card_marks_the_words_of_others(self, make_bundle: MakeBundle) -> None:
        card = read(make_bundle()).card
        assert card.count("\n## ") == 5, "a heading in the description is no heading of the card"
        assert f'## Figures\n{NOT_EVALUATED} Its makers state: \\{{"mean\\_dice": 0.96\\}}' in card
        assert "Resampling:" not in card
        assert "Patches:" not in card

    @pytest.mark.parametrize(
        ("part", "change", "note"),
        [
            ("inferer", {"overlap": [0.5, 0.5, 0.25]}, "overlap by .*, medpipe by the largest"),
            ("inferer", {"mode": "gaussian", "sigma_scale": 0.25}, "have the width 0.25, medpipe's 0.125"),
            ("space", {"padding_mode": "zeros"}, "behind the last voxel medpipe repeats it"),
            ("orient", {}, "resamples before it turns the axes, medpipe after"),
            ("decide", {"nearest_interp": False}, "interpolates labels, medpipe takes the nearest"),
        ],
    )
    def test_what_differs_is_stated(
        self, make_bundle: MakeBundle, part: str, change: Config, note: str
    ) -> None:
        def edit(config: Config) -> None:
            steps, back = transforms(config), config["postprocessing"]["transforms"]
            if part == "inferer":
                config["inferer"].update(change)
            elif part == "space":
                steps[SPACE].update(change)
            elif part == "orient":
                steps[ORIENT], steps[SPACE] = steps[SPACE], steps[ORIENT]
            else:
                back[1], back[2] = back[2], {**back[1], **change}

        assert re.search(note, " ".join(read(make_bundle(edit_inference=edit)).notes))

    @pytest.mark.parametrize(
        ("softmax", "nearest", "expected"),
        [
            (False, False, WayBack.LOGITS),
            (True, False, WayBack.PROBABILITIES),
            (True, True, WayBack.NEAREST),
        ],
    )
    def test_way_back(self, make_bundle: MakeBundle, softmax: bool, nearest: bool, expected: WayBack) -> None:
        def edit(config: Config) -> None:
            config["postprocessing"]["transforms"][0]["softmax"] = softmax
            config["postprocessing"]["transforms"][1]["nearest_interp"] = nearest

        assert read(make_bundle(edit_inference=edit)).spec.preprocessing.way_back is expected

    def test_yaml_is_read_too(self, make_bundle: MakeBundle) -> None:
        expected = read(folder := make_bundle()).spec
        file = folder / "configs" / "inference.json"
        file.with_suffix(".yaml").write_text(file.read_text())
        file.unlink()
        assert read(folder).spec == expected

    def test_weights_may_lie_among_other_things(self, make_bundle: MakeBundle, monai_network: UNet) -> None:
        state = {f"module.{name}": value for name, value in monai_network.state_dict().items()}
        found = read(make_bundle(weights={"epoch": 3, "model": state})).state
        assert torch.equal(found["network.model.0.conv.unit0.conv.weight"], next(iter(state.values())))

    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            ([{"_target_": "NormalizeIntensityd", "nonzero": True}], ZScore(region=Region.NONZERO)),
            ([{"_target_": "ScaleIntensityd"}, {"_target_": "NormalizeIntensityD"}], ZScore()),
            ([{"_target_": "ScaleIntensityd", "minv": 0}], PercentileScale(low=0, high=100)),
            (
                [
                    {
                        "_target_": "ScaleIntensityRangePercentilesDict",
                        "lower": 1,
                        "upper": 99,
                        "b_min": 0,
                        "b_max": 1,
                        "clip": True,
                    }
                ],
                PercentileScale(low=1, high=99),
            ),
        ],
    )
    def test_intensity_steps(self, make_bundle: MakeBundle, steps: list[Config], expected: object) -> None:
        def edit(config: Config) -> None:
            transforms(config)[WINDOW : WINDOW + 1] = [{**step, "keys": ["image"]} for step in steps]

        (channel,) = read(make_bundle(edit_inference=edit)).spec.preprocessing.channels
        assert channel.intensity == expected

    def test_images_that_are_joined_become_channels(self, make_bundle: MakeBundle) -> None:
        keys = ["T1", "T2"]

        def edit(config: Config) -> None:
            for transform in transforms(config):
                transform["keys"] = keys
            transforms(config)[WINDOW]["keys"] = "T1"
            transforms(config).insert(WINDOW, {"_target_": "NormalizeIntensityd", "keys": "T2"})
            transforms(config).append({"_target_": "SpatialPadd", "keys": keys, "spatial_size": [32, 32, 16]})
            transforms(config).append({"_target_": "DivisiblePadd", "keys": keys, "k": 4})
            transforms(config).append({"_target_": "ConcatItemsd", "keys": keys, "name": "image"})
            config["network_def"]["in_channels"] = 2

        with torch.random.fork_rng(devices=[]):
            weights = UNet(3, 2, 3, (4, 8, 16), (2, 2), num_res_units=2, norm="batch").state_dict()
        spec = read(make_bundle(edit_inference=edit, weights=weights)).spec.preprocessing
        assert [(item.name, item.intensity) for item in spec.channels] == [
            ("t1", WindowScale(low_hu=-100, high_hu=200)),
            ("t2", ZScore()),
        ]
        assert spec.multiple_of == 4

    @pytest.mark.filterwarnings("ignore:align_corners", "ignore:.*nvImageCodec")
    @pytest.mark.parametrize(
        ("inferer", "spacing"),
        [
            ({"roi_size": [28, 40, 24]}, {}),
            ({"roi_size": [16, 16, 8]}, {}),
            ({"roi_size": [16, 16, 8], "mode": "gaussian", "overlap": 0.4}, {"pixdim": [3.4, 2.6, 4.1]}),
            ({"roi_size": [28, 40, 24]}, {"pixdim": [3.4, 2.6, 4.1], "scale_extent": True}),
        ],
    )
    def test_label_map_is_that_of_monai(
        self, make_bundle: MakeBundle, tmp_path: Path, monai_network: UNet, inferer: Config, spacing: Config
    ) -> None:
        """What is left is the rounding of the weights."""

        def edit(config: Config) -> None:
            config["inferer"].update(inferer)
            transforms(config)[SPACE].update(spacing)
            del config["postprocessing"]["transforms"][-1]

        give_all_classes(monai_network)
        folder = make_bundle(edit_inference=edit, weights=monai_network.state_dict())
        blocks = np.random.default_rng(2).normal(50, 300, (13, 9, 8))
        values = np.kron(blocks, np.ones((3, 3, 3)))[:37, :25, :22].astype(np.float32)
        # Where an image begins within a voxel of the world's origin, scale_extent moves it in MONAI 1.6.
        affine = np.array([[0, -3.0, 0, 9], [3.0, 0, 0, 5], [0, 0, 3.0, 31], [0, 0, 0, 1]])
        nib.save(nib.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
        parser = ConfigParser(json.loads((folder / "configs" / "inference.json").read_text()))
        prepare, infer, finish = (
            parser.get_parsed_content(name) for name in ("preprocessing", "inferer", "postprocessing")
        )
        sample = prepare({"image": str(tmp_path / "scan.nii.gz")})
        model = read(folder)
        package = write_package(
            tmp_path / "spleen", model.spec, model.state, card=model.card, licence=model.licence
        )
        volume = Volume(torch.from_numpy(values)[None], affine, "CT", Source(kind=SourceKind.MEMORY))
        with torch.inference_mode():
            sample["pred"] = infer(sample["image"][None], monai_network)[0]
        theirs = finish(sample)["pred"][0].numpy()
        ours = load_segmenter(package).segment({"image": volume}).labels
        assert len(np.unique(theirs)) == 3
        assert (ours == theirs).mean() > 0.999

    def test_cropping_is_stated(self, make_bundle: MakeBundle) -> None:
        crop = {"_target_": "CropForegroundd", "keys": "image", "source_key": "image"}
        notes = read(make_bundle(edit_inference=lambda config: transforms(config).append(crop))).notes
        assert any(note.startswith("Cropping: the bundle predicts within the box") for note in notes)

    def test_disabled_step_is_left_out(self, make_bundle: MakeBundle) -> None:
        def edit(config: Config) -> None:
            transforms(config)[SPACE]["_disabled_"] = True

        assert read(make_bundle(edit_inference=edit)).spec.preprocessing.spacing_mm is None


class TestRefused:
    def test_everything_in_one_message(self, make_bundle: MakeBundle) -> None:
        def edit(config: Config) -> None:
            config["network_def"].update(strides="$[2] * 2", dropuot=0.1)
            transforms(config)[SPACE]["pixdim"] = "$@x"
            transforms(config)[WINDOW].update(b_min=-1, clip=False)
            transforms(config).append({"_target_": "Lambdad", "keys": "image", "func": "$lambda x: x"})
            config["inferer"]["_target_"] = "monai.inferers.SimpleInferer"
            config["postprocessing"]["transforms"][0] = {
                "_target_": "Activationsd",
                "keys": "pred",
                "sigmoid": True,
            }
            config["initialize"].append("$os.system('echo hacked')")

        def edit_metadata(data: Config) -> None:
            data["network_data_format"]["inputs"]["image"]["modality"] = "US"

        with pytest.raises(SettingsError) as error:
            read(make_bundle(edit_inference=edit, edit_metadata=edit_metadata))
        named = re.findall(r"\(\d+\) ([^:]+):", error.value.found)
        step = "preprocessing#transforms#"
        assert sorted(named) == sorted(
            [
                "initialize#1",
                "network_def#strides",
                "network_def#dropuot",
                "x",
                f"{step}4#b_min",
                f"{step}4#clip",
                f"{step}6#_target_",
                "inferer#_target_",
                "postprocessing#transforms#0#sigmoid",
                "metadata#network_data_format#inputs#image#modality",
            ]
        )
        assert "Nothing of it was executed" in error.value.fix

    @pytest.mark.parametrize(
        ("index", "change", "message"),
        [
            (ORIENT, {"axcodes": "RAR"}, "axcodes: RAR"),
            (SPACE, {"mode": "nearest"}, "mode: nearest .*medpipe resamples linearly"),
            (SPACE, {"mode": 3}, "mode: 3"),
            (SPACE, {"pixdim": [1.5, 1.5, -1]}, "write three positive numbers"),
            (SPACE, {"max_pixdim": 4.0}, "max_pixdim: 4.0"),
            (WINDOW, {"a_min": 300}, "it must lie above a_min"),
            (WINDOW, {"keys": ["image", "label"]}, r"\['label'\].*the images at this step are image"),
            (WINDOW, {"_target_": "scripts.mine.Window"}, "_target_: scripts.mine.Window.*medpipe knows"),
            (WINDOW, {"surprise": 1}, "#surprise: 1 .*remove it"),
            (WINDOW, {"_disabled_": True}, "no intensity step"),
            (ORIENT, {"_disabled_": True}, "preprocessing Orientationd: none"),
            (TYPE, {"_target_": "NormalizeIntensityd", "dtype": "$torch.float16"}, "dtype: float16"),
            (TYPE, {"_target_": "Spacingd", "pixdim": [1, 1, 1]}, "Spacingd after ScaleIntensityRanged"),
            (TYPE, {"_target_": "SpatialPadd", "spatial_size": 64}, "medpipe pads to the inferer's roi_size"),
        ],
    )
    def test_preprocessing(self, make_bundle: MakeBundle, index: int, change: Config, message: str) -> None:
        folder = make_bundle(edit_inference=lambda config: transforms(config)[index].update(change))
        with pytest.raises(SettingsError, match=message):
            read(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"_target_": "SwinUNETR"}, "_target_: SwinUNETR .*medpipe knows UNet, SegResNet"),
            ({"_target_": "os.system"}, "_target_: os.system .*could run a program"),
            ({"channels": "$[2 ** i for i in range(3)]"}, r"network_def#channels: the expression"),
            ({"channels": [4, 8, 10**9]}, "at most 4096 is built"),
            ({"channels": [4, 8, 32]}, r"models/model.pt .*one of \d+ that do not fit"),
            ({"norm": "no_such_norm"}, "network_def: .*NO_SUCH_NORM"),
            ({"spatial_dims": 2}, "spatial_dims: 2"),
            ({"out_channels": 4}, "out_channels: 4 .*name 3"),
        ],
    )
    def test_network(self, make_bundle: MakeBundle, change: Config, message: str) -> None:
        folder = make_bundle(edit_inference=lambda config: config["network_def"].update(change))
        with pytest.raises(SettingsError, match=message):
            read(folder)

    @pytest.mark.parametrize(
        "step", [{"_target_": "AsDiscreted", "threshold": 0.5}, {"_target_": "SaveImaged"}]
    )
    def test_regions_that_overlap(self, make_bundle: MakeBundle, step: Config) -> None:
        def edit(config: Config) -> None:
            config["postprocessing"]["transforms"] = [{"keys": "pred", **step}]

        with pytest.raises(SettingsError, match="one class a voxel"):
            read(make_bundle(edit_inference=edit))

    @pytest.mark.parametrize(
        ("channels", "message"),
        [
            ({str(n): f"c{n}" if n else "background" for n in range(301)}, "300 classes .*uint8: 1 to 255"),
            ({"0": "spleen", "1": "liver"}, "channel 0 must be the background"),
            ({"0": "background", "2": "liver"}, "number the channels 0, 1, 2"),
            ({"0": "background", "1": "a b", "2": "A-B"}, "'a_b' twice"),
            ({"0": "background", "1": 5}, "channel_def#1: 5"),
        ],
    )
    def test_classes(self, make_bundle: MakeBundle, channels: Config, message: str) -> None:
        def edit(data: Config) -> None:
            data["network_data_format"]["outputs"]["pred"]["channel_def"] = channels

        with pytest.raises(SettingsError, match=message):
            read(make_bundle(edit_metadata=edit))

    def test_weights_with_code_are_not_run(self, make_bundle: MakeBundle, tmp_path: Path) -> None:
        class Harmful:
            def __reduce__(self) -> tuple[object, ...]:
                return os.mkdir, (str(tmp_path / "harm"),)

        with pytest.raises(SettingsError, match="only tensors are read: do not use this file"):
            read(make_bundle(weights={"model": Harmful()}))
        assert not (tmp_path / "harm").exists()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "models/model.pt: .*save the network's state_dict"),
            (b"PK\x03\x04 no archive", "models/model.pt: "),
        ],
    )
    def test_damaged_weights(self, make_bundle: MakeBundle, content: bytes, message: str) -> None:
        folder = make_bundle()
        (folder / "models" / "model.pt").write_bytes(content)
        with pytest.raises(SettingsError, match=message):
            read(folder)

    def test_whole_network_is_no_state(self, make_bundle: MakeBundle) -> None:
        with pytest.raises(SettingsError, match=r"models/model\.pt: list .*state_dict"):
            read(make_bundle(weights=[1, 2]))

    @pytest.mark.parametrize("file", ["configs/inference.json", "configs/metadata.json", "models/model.pt"])
    def test_missing_file_is_named(self, make_bundle: MakeBundle, file: str) -> None:
        folder = make_bundle()
        (folder / file).unlink()
        with pytest.raises(SettingsError, match=f"{file}: no such file"):
            read(folder)

    def test_configuration_that_is_no_mapping(self, make_bundle: MakeBundle) -> None:
        folder = make_bundle()
        (folder / "configs" / "inference.json").write_text(json.dumps([1]))
        with pytest.raises(SettingsError, match="keys and values: found list"):
            read(folder)
