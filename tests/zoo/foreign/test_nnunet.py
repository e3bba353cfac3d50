"""Trained nnU-Nets as packages: what comes of one, against its own arithmetic, and what is refused."""

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from medpipe.core.errors import SettingsError
from medpipe.core.preprocessing import FixedScale, Interpolation, NormaliseOn, PercentileScale, Region, ZScore
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.segmenter import load_segmenter
from medpipe.models.registry import build_network
from medpipe.zoo.card import NOT_EVALUATED
from medpipe.zoo.foreign.adding import add_model
from medpipe.zoo.foreign.nnunet import read_nnunet

Json = dict[str, Any]
Edit = Callable[[Json], None]

CHANNELS = (4, 8, 8)
KERNELS = ((1, 3, 3), (3, 3, 3), (3, 3, 3))
STRIDES = ((1, 1, 1), (1, 2, 2), (2, 2, 2))
ENCODER_BLOCKS = (2, 1, 2)
DECODER_CONVS = (2, 1)  # from the bottom up
PATCH = (4, 16, 12)
DATASET: Json = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "Anterior": 1, "Posterior": 2},
    "numTraining": 20,
    "description": "Crops of the *hippocampus*",
    "file_ending": ".nii.gz",
}


def configuration(residual: bool = False) -> Json:
    """Return a configuration as nnU-Net 2.8 writes it, smaller."""
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    return {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(PATCH),
        "spacing": [3.0, 1.0, 0.5],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**resampling, "order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet."
            + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
            "arch_kwargs": {
                "n_stages": 3,
                "features_per_stage": list(CHANNELS),
                "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [list(item) for item in KERNELS],
                "strides": [list(item) for item in STRIDES],
                "n_blocks_per_stage" if residual else "n_conv_per_stage": list(ENCODER_BLOCKS),
                "n_conv_per_stage_decoder": list(DECODER_CONVS),
                "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }


def plans(residual: bool = False) -> Json:
    """Return ``plans.json`` with two configurations."""
    return {
        "dataset_name": "Dataset004_Hippocampus",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "mean": 40.0,
                "std": 20.0,
                "percentile_00_5": -100.0,
                "percentile_99_5": 200.0,
                "max": 900.0,
            }
        },
        "configurations": {
            "2d": {"patch_size": [16, 12], "spacing": [1.0, 0.5]},
            "3d_fullres": configuration(residual),
            "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        },
    }


def shapes(residual: bool) -> Iterator[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """Yield nnU-Net's name of each layer, the shape of its weight, and what it has."""
    conv = lambda name, target, source, kernel: [  # noqa: E731
        (f"{name}.conv", (target, source, *kernel), ("weight", "bias")),
        (f"{name}.norm", (target,), ("weight", "bias")),
    ]
    source = 1
    if residual:
        yield from conv("encoder.stem.convs.0", CHANNELS[0], 1, KERNELS[0])
        source = CHANNELS[0]
    for level, (target, kernel, blocks) in enumerate(zip(CHANNELS, KERNELS, ENCODER_BLOCKS, strict=True)):
        for block in range(blocks):
            if not residual:
                yield from conv(f"encoder.stages.{level}.0.convs.{block}", target, source, kernel)
            else:
                place = f"encoder.stages.{level}.blocks.{block}"
                yield from conv(f"{place}.conv1", target, source, kernel)
                yield from conv(f"{place}.conv2", target, target, kernel)
                if source != target:
                    projection, norm = conv(f"{place}.skip.1", target, source, (1, 1, 1))
                    yield (*projection[:2], ("weight",))
                    yield norm
            source = target
    for level, convs in enumerate(DECODER_CONVS):
        coarse, fine = CHANNELS[2 - level], CHANNELS[1 - level]
        yield f"decoder.transpconvs.{level}", (coarse, fine, *STRIDES[2 - level]), ("weight", "bias")
        for number in range(convs):
            source = 2 * fine if number == 0 else fine
            yield from conv(f"decoder.stages.{level}.convs.{number}", fine, source, KERNELS[1 - level])
        yield f"decoder.seg_layers.{level}", (3, fine, 1, 1, 1), ("weight", "bias")


def nnunet_state(residual: bool = False) -> dict[str, Tensor]:
    """Return random weights under all the names that nnU-Net keeps them."""
    generator = torch.Generator().manual_seed(3)
    state: dict[str, Tensor] = {}
    for name, shape, parts in shapes(residual):
        for part in parts:
            size = shape if part == "weight" else (shape[1] if "transpconvs" in name else shape[0],)
            value = torch.randn(size, generator=generator) * 0.4 + (
                part == "weight" and name.endswith("norm")
            )
            state[f"{name}.{part}"] = value.half().float()  # packages keep float16
            kind = name.rpartition(".")[2]
            if kind in ("conv", "norm"):
                copied = name.removesuffix(kind) + f"all_modules.{int(kind == 'norm')}.{part}"
                state[copied] = state[f"{name}.{part}"]
    encoder = {f"decoder.{name}": value for name, value in state.items() if name.startswith("encoder.")}
    return {**state, **encoder}


def reference(state: dict[str, Tensor], image: Tensor, *, residual: bool) -> Tensor:
    """Compute nnU-Net's logits from its own weights, biases and all."""

    def layer(
        name: str, features: Tensor, stride: tuple[int, ...] = (1, 1, 1), *, active: bool = True
    ) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        padding = [(size - 1) // 2 for size in weight.shape[2:]]
        features = functional.conv3d(features, weight, state.get(f"{name}.conv.bias"), stride, padding)
        features = functional.instance_norm(
            features, weight=state[f"{name}.norm.weight"], bias=state[f"{name}.norm.bias"], eps=1e-5
        )
        return functional.leaky_relu(features, 0.01) if active else features

    def block(place: str, features: Tensor, stride: tuple[int, ...]) -> Tensor:
        around = functional.avg_pool3d(features, stride, stride) if stride != (1, 1, 1) else features
        if f"{place}.skip.1.conv.weight" in state:
            around = layer(f"{place}.skip.1", around, active=False)
        inner = layer(f"{place}.conv2", layer(f"{place}.conv1", features, stride), active=False)
        return functional.leaky_relu(inner + around, 0.01)

    features = layer("encoder.stem.convs.0", image) if residual else image
    skips = []
    for level, (stride, blocks) in enumerate(zip(STRIDES, ENCODER_BLOCKS, strict=True)):
        for number in range(blocks):
            step = stride if number == 0 else (1, 1, 1)
            if residual:
                features = block(f"encoder.stages.{level}.blocks.{number}", features, step)
            else:
                features = layer(f"encoder.stages.{level}.0.convs.{number}", features, step)
        skips.append(features)
    for level, convs in enumerate(DECODER_CONVS):
        name, stride = f"decoder.transpconvs.{level}", STRIDES[2 - level]
        raised = functional.conv_transpose3d(features, state[f"{name}.weight"], state[f"{name}.bias"], stride)
        features = torch.cat((raised, skips[1 - level]), dim=1)
        for number in range(convs):
            features = layer(f"decoder.stages.{level}.convs.{number}", features)
    return functional.conv3d(
        features, state["decoder.seg_layers.1.weight"], state["decoder.seg_layers.1.bias"]
    )


class Trained:
    """A model folder that a test may spoil before it is read."""

    def __init__(self, folder: Path, residual: bool = False) -> None:
        self.folder = folder
        self.plans, self.dataset = plans(residual), copy.deepcopy(DATASET)
        self.checkpoint: Json = {
            "network_weights": nnunet_state(residual),
            "optimizer_state": {"state": {}, "param_groups": []},
            "logging": {"ema_fg_dice": [np.float32(0.7), np.float64(0.8)], "lrs": [0.01]},
            "_best_ema": np.float32(0.8),
            "init_args": {"configuration": "3d_fullres", "fold": 0, "device": torch.device("cpu")},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }

    @property
    def fullres(self) -> Json:
        found: Json = self.plans["configurations"]["3d_fullres"]
        return found

    def write(self, *folds: str) -> Path:
        for fold in folds or ("fold_0",):
            (self.folder / fold).mkdir(parents=True)
            torch.save(self.checkpoint, self.folder / fold / "checkpoint_final.pth")
        (self.folder / "plans.json").write_text(json.dumps(self.plans))
        (self.folder / "dataset.json").write_text(json.dumps(self.dataset))
        return self.folder


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    return Trained(tmp_path / "model")


def read(folder: Path) -> Any:
    return read_nnunet(folder, name="hip", licence="CC0-1.0")


class TestNetwork:
    @pytest.mark.parametrize("residual", [False, True])
    def test_logits_are_those_of_nnunets_own_arithmetic(self, tmp_path: Path, residual: bool) -> None:
        trained = Trained(tmp_path / "model", residual)
        model = read(trained.write())
        network = build_network(model.spec.network.name, model.spec.network.arguments).eval()
        network.load_state_dict(model.state)
        image = torch.randn(1, 1, *PATCH, generator=torch.Generator().manual_seed(1))
        expected = reference(trained.checkpoint["network_weights"], image, residual=residual)
        with torch.inference_mode():
            assert_close(network(image).logits, expected, rtol=1e-4, atol=1e-4)

    def test_old_plans_give_the_same_network(self, trained: Trained) -> None:
        new = read(Trained(trained.folder.with_name("new")).write())
        architecture = trained.fullres.pop("architecture")["arch_kwargs"]
        trained.fullres.update(
            UNet_class_name="PlainConvUNet",
            UNet_base_num_features=4,
            unet_max_num_features=8,
            n_conv_per_stage_encoder=architecture["n_conv_per_stage"],
            n_conv_per_stage_decoder=architecture["n_conv_per_stage_decoder"],
            conv_kernel_sizes=architecture["kernel_sizes"],
            pool_op_kernel_sizes=architecture["strides"],
        )
        assert read(trained.write()).spec.network == new.spec.network


class TestPreprocessing:
    def test_is_nnunets_with_axes_as_its_reader_gives_them(self, trained: Trained) -> None:
        spec = read(trained.write()).spec.preprocessing
        assert spec.orientation == (2, 1, 0)
        assert spec.crop_nonzero
        assert spec.spacing_mm == (3.0, 1.0, 0.5)
        assert spec.interpolation is Interpolation.CUBIC
        assert spec.thick_ratio == 3.0
        assert spec.normalise_on is NormaliseOn.SOURCE
        assert spec.patch_shape == PATCH
        assert spec.mirror_axes == (0, 1, 2)
        assert spec.channels[0].name == "image"
        assert spec.channels[0].modality == "MR"

    @pytest.mark.parametrize(
        ("reader", "transpose", "expected"),
        [
            ("SimpleITKIO", [1, 2, 0], (1, 0, 2)),
            ("NibabelIO", [2, 0, 1], (0, 2, 1)),
            ("NibabelIOWithReorient", [0, 1, 2], "SAR"),
            ("SimpleITKIOWithReorient", [1, 2, 0], "ARS"),
        ],
    )
    def test_orientation_follows_reader_and_transposition(
        self, trained: Trained, reader: str, transpose: list[int], expected: object
    ) -> None:
        trained.plans.update(image_reader_writer=reader, transpose_forward=transpose)
        assert read(trained.write()).spec.preprocessing.orientation == expected

    @pytest.mark.parametrize(
        ("scheme", "masked", "expected"),
        [
            ("ZScoreNormalization", False, ZScore()),
            ("ZScoreNormalization", True, ZScore(region=Region.INSIDE)),
            ("CTNormalization", False, FixedScale(clip=(-100.0, 200.0), mean=40.0, std=20.0)),
            ("NoNormalization", False, FixedScale()),
            ("RescaleTo01Normalization", False, PercentileScale(low=0.0, high=100.0)),
            ("RGBTo01Normalization", False, FixedScale(std=255.0)),
        ],
    )
    def test_normalisation_follows_the_scheme(
        self, trained: Trained, scheme: str, masked: bool, expected: object
    ) -> None:
        trained.fullres.update(normalization_schemes=[scheme], use_mask_for_norm=[masked])
        assert read(trained.write()).spec.preprocessing.channels[0].intensity == expected

    def test_linear_images_without_thick_slices(self, trained: Trained) -> None:
        for key in ("resampling_fn_data_kwargs", "resampling_fn_probabilities_kwargs"):
            trained.fullres[key] = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": False}
        spec = read(trained.write()).spec.preprocessing
        assert spec.interpolation is Interpolation.LINEAR
        assert spec.thick_ratio is None

    def test_trainer_that_never_mirrored(self, trained: Trained) -> None:
        trained.checkpoint["inference_allowed_mirroring_axes"] = None
        assert read(trained.write()).spec.preprocessing.mirror_axes == ()


class TestPackage:
    def test_added_package_segments_a_volume_and_says_what_it_is(self, trained: Trained) -> None:
        trained.plans["transpose_forward"] = [1, 2, 0]
        added = add_model(trained.write(), name="hip", licence="CC-BY-SA-4.0")
        array = torch.zeros(1, 9, 20, 14)
        array[:, 1:, 2:, :12] = torch.rand(1, 8, 18, 12, generator=torch.Generator().manual_seed(2))
        volume = Volume(array, np.diag([-1.0, 1.0, 2.0, 1.0]), "MR", Source(kind=SourceKind.MEMORY))
        labels = load_segmenter(added.package).segment({"image": volume}).labels
        assert labels.shape == (9, 20, 14)
        assert {1, 2} <= set(np.unique(labels[1:, 2:, :12]))
        assert not labels[0].any()
        assert not labels[:, :2].any()
        assert not labels[:, :, 12:].any()
        assert NOT_EVALUATED in added.package.card
        assert r"20; description: Crops of the \*hippocampus\*" in added.package.card
        assert [label.name for label in added.package.manifest.labels] == ["anterior", "posterior"]
        assert added.package.manifest.origin.kind == "nnunet"  # type: ignore[union-attr]  # it has one

    def test_one_of_several_folds_is_named_by_its_folder(self, trained: Trained) -> None:
        trained.write("fold_0", "fold_3")
        with pytest.raises(SettingsError, match=r"fold_0, fold_3 \(.*name the folder of one fold"):
            read(trained.folder)
        assert "fold_3 alone" in read(trained.folder / "fold_3").notes[0]


class Runs:
    """Code in a pickle: it would make a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made_by_a_checkpoint",)


def _of_300_classes(dataset: Json) -> None:
    dataset["labels"] = {"background": 0, **{f"part {value}": value for value in range(1, 301)}}


class TestRefusals:
    @pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"])
    def test_missing_file_is_named(self, trained: Trained, name: str) -> None:
        folder = trained.write()
        (folder / name).unlink()
        with pytest.raises(SettingsError, match=f"{Path(name).name}: no such file"):
            read(folder)

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda data: data["labels"].update(Whole=[1, 2]), r"regions Whole \(medpipe takes classes"),
            (lambda data: data.update(regions_class_order=[1, 2]), "takes classes that exclude each other"),
            (lambda data: data["labels"].update(ignore=3), "an ignore label"),
            (lambda data: data["labels"].update(Posterior=3), "classes are 1, 2, 3"),
            (lambda data: data["labels"].pop("background"), "the background is 0"),
            (lambda data: data.update(labels={}), "the background is 0"),
            (_of_300_classes, r"300 classes \(label maps are uint8: 1 to 255"),
            (lambda data: data["labels"].update(posterior=3), "'posterior' twice"),
            (lambda data: data.update(channel_names={"0": "noNorm"}), "'noNorm' .write its modality"),
            (lambda data: data["channel_names"].update({"1": "T2"}), "another number of channels"),
        ],
    )
    def test_dataset(self, trained: Trained, edit: Edit, message: str) -> None:
        edit(trained.dataset)
        with pytest.raises(SettingsError, match=message):
            read(trained.write())

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda data: data.update(preprocessor_name="Mine"), "preprocessor_name: 'Mine' .*DefaultPre"),
            (lambda data: data.update(normalization_schemes=["Mine"]), "Mine .medpipe does not know it"),
            (lambda data: data.update(resampling_fn_data="resample_torch_fornnunet"), "resample_torch"),
            (
                lambda data: data["resampling_fn_data_kwargs"].update(order=0),
                "order: 0 .medpipe knows 1 and 3",
            ),
            (lambda data: data["resampling_fn_probabilities_kwargs"].update(order=0), "kwargs#order: 0"),
            (lambda data: data["resampling_fn_data_kwargs"].update(force_separate_z=False), "must agree"),
            (lambda data: data["architecture"].update(network_class_name="os.system"), "'os.system'"),
            (
                lambda data: data["architecture"]["arch_kwargs"].update(norm_op="torch.nn.BatchNorm3d"),
                "norm_op: 'torch.nn.BatchNorm3d'",
            ),
            (
                lambda data: data["architecture"]["arch_kwargs"].update(nonlin_first=True),
                "nonlin_first: True",
            ),
            (
                lambda data: data["architecture"]["arch_kwargs"].update(features_per_stage=[4, 8]),
                "kernel_sizes of the nnU-Net must be 2 lists",
            ),
            (
                lambda data: data["architecture"]["arch_kwargs"].update(features_per_stage=[4, 8, 9**9]),
                "features_per_stage#2: 387420489",
            ),
        ],
    )
    def test_configuration(self, trained: Trained, edit: Edit, message: str) -> None:
        edit(trained.fullres)
        with pytest.raises(SettingsError, match=message):
            read(trained.write())

    @pytest.mark.parametrize(
        ("configuration", "message"),
        [
            ("2d", r"\[16, 12\] .medpipe segments volumes"),
            ("3d_cascade_fullres", "3d_lowres .medpipe runs no cascades"),
            ("3d_other", "'3d_other' .there are 2d, 3d_fullres"),
        ],
    )
    def test_other_configurations(self, trained: Trained, configuration: str, message: str) -> None:
        trained.checkpoint["init_args"]["configuration"] = configuration
        with pytest.raises(SettingsError, match=message):
            read(trained.write())

    def test_circle_of_inheritance(self, trained: Trained) -> None:
        trained.fullres["inherits_from"] = "3d_cascade_fullres"
        with pytest.raises(SettingsError, match=r"'3d_fullres' .there are"):
            read(trained.write())

    def test_code_in_a_checkpoint_is_not_run(
        self, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        trained.checkpoint["logging"] = Runs()
        with pytest.raises(SettingsError, match=r"mkdir.*do not use this file"):
            read(trained.write())
        assert not (tmp_path / "made_by_a_checkpoint").exists()

    def test_weights_of_another_network_are_named(self, trained: Trained) -> None:
        weights = trained.checkpoint["network_weights"]
        weights["attention.weight"] = torch.zeros(3)
        trained.checkpoint["trainer_name"] = "MyTrainer"
        with pytest.raises(
            SettingsError, match=r"trained by MyTrainer.*attention.weight: \(3,\), expected nothing"
        ):
            read(trained.write())

    def test_damaged_checkpoint(self, trained: Trained) -> None:
        folder = trained.write()
        path = folder / "fold_0" / "checkpoint_final.pth"
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(SettingsError, match=r"fold_0/checkpoint_final\.pth"):
            read(folder)

    def test_all_that_is_wrong_with_the_data_set_is_named_at_once(self, trained: Trained) -> None:
        trained.dataset["labels"]["ignore"] = 3
        trained.dataset["channel_names"] = {"0": "zscore"}
        with pytest.raises(SettingsError, match=r"an ignore label.*'zscore'"):
            read(trained.write())
