"""Export as a MONAI bundle, which MONAI itself loads and runs."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, load, verify_net_in_out
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from medpipe.core.errors import MachineError, SettingsError
from medpipe.core.network_grid import SpacingGrid, WayBack
from medpipe.core.patches import PatchWeights
from medpipe.core.preprocessing import (
    Channel,
    FixedScale,
    Intensity,
    Interpolation,
    NormaliseOn,
    PercentileScale,
    Region,
    WindowScale,
    ZScore,
)
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.preprocess import prepare
from medpipe.models.registry import build_network
from medpipe.zoo.bundle import export_bundle
from medpipe.zoo.bundle_files import bundle_inference
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.package import WEIGHTS, Package
from medpipe.zoo.writing import write_package

# Required keys of MONAI's metadata schema of 2024-07-25.
METADATA_KEYS = {
    "schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version",
    "task", "description", "authors", "copyright", "network_data_format",
}  # fmt: skip
TENSOR_KEYS = {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range"}


@pytest.fixture
def bundle(written: Package, tmp_path: Path) -> Path:
    export_bundle(written, tmp_path / "bundle")
    return tmp_path / "bundle"


def write_scan(path: Path, *, seed: int = 0) -> Volume:
    """Write a NIfTI scan of three different sizes whose first axis points left."""
    values = np.random.default_rng(seed).uniform(1, 100, (30, 22, 18)).astype(np.float32)
    values[:3] = 0.0
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (30, -20, 5)
    nib.save(nib.Nifti1Image(values, affine), path)
    return Volume(torch.from_numpy(values)[None], affine, "MR", Source(kind=SourceKind.MEMORY))


CHANNELS = ("t1", "t2")


def two_channels(spec: SegmentationSpec) -> SegmentationSpec:
    """Return the specification of a network of two channels that resamples."""
    channels = tuple(Channel(name=name, modality="MR", intensity=ZScore()) for name in CHANNELS)
    steps = {"channels": channels, "spacing_mm": (2.0, 2.0, 2.0)}
    network = NetworkSpec(name="unet", arguments={**spec.network.arguments, "in_channels": 2})
    return spec.model_copy(
        update={"network": network, "preprocessing": spec.preprocessing.model_copy(update=steps)}
    )


def two_channel_state(spec: SegmentationSpec) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = two_channels(spec).network
        return build_network(network.name, network.arguments).state_dict()


class TestFiles:
    def test_folder_is_a_bundle(self, bundle: Path) -> None:
        files = {str(file.relative_to(bundle)) for file in bundle.rglob("*") if file.is_file()}
        assert files == {
            "LICENSE", "configs/inference.json", "configs/metadata.json", "configs/package.json",
            "docs/README.md", "models/model.pt",
        }  # fmt: skip

    def test_metadata_has_what_the_schema_requires(self, bundle: Path) -> None:
        metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
        assert metadata.keys() >= METADATA_KEYS
        tensors = metadata["network_data_format"]
        assert tensors["inputs"]["image"].keys() >= TENSOR_KEYS
        assert tensors["outputs"]["pred"].keys() >= TENSOR_KEYS
        assert tensors["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "spot", "2": "ring"}

    def test_only_three_expressions_are_evaluated(self, bundle: Path) -> None:
        text = (bundle / "configs" / "inference.json").read_text()
        assert [part.split('"')[0] for part in text.split('"$')[1:]] == [
            "@bundle_root + '/models/model.pt'",
            "@network_def.to(@device)",
            "@evaluator.run()",
        ]

    def test_readme_is_the_card_and_how_to_run_it(self, bundle: Path, card: str) -> None:
        readme = (bundle / "docs" / "README.md").read_text()
        assert readme.startswith(card.rstrip())
        assert "--images \"[{'image': 'scan.nii.gz'}]\"" in readme

    def test_readme_warns_of_the_mirrored_side(self, spots: Package, tmp_path: Path) -> None:
        mirrored = spots.manifest.preprocessing.model_copy(update={"mirror_right": True})
        manifest = spots.manifest.model_copy(update={"preprocessing": mirrored})
        export_bundle(Package(manifest, spots.path, spots.digest), tmp_path / "bundle")
        assert "knows the left side only" in (tmp_path / "bundle" / "docs" / "README.md").read_text()

    def test_weights_hold_tensors_alone(self, bundle: Path, written: Package) -> None:
        found = torch.load(bundle / "models" / "model.pt", weights_only=True)
        expected = written.load_network().state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


class TestRefusals:
    def test_existing_folder_is_left_alone(self, written: Package, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=f"exists already: found {tmp_path}"):
            export_bundle(written, tmp_path)

    def test_damaged_weights_are_not_exported(self, spots: Package, tmp_path: Path) -> None:
        content = bytearray((spots.path / WEIGHTS).read_bytes())
        content[-1] ^= 1
        (spots.path / WEIGHTS).write_bytes(content)
        with pytest.raises(MachineError, match="sha256"):
            export_bundle(spots, tmp_path / "bundle")
        assert not (tmp_path / "bundle").exists()

    def test_step_that_monai_lacks_is_named(self, spots: Package, tmp_path: Path) -> None:
        channel = Channel(name="image", modality="MR", intensity=PercentileScale(region=Region.NONZERO))
        spec = spots.manifest.preprocessing.model_copy(update={"channels": (channel,)})
        with pytest.raises(SettingsError, match=r"percentiles over nonzero voxels.*channel 'image'"):
            bundle_inference(spots.manifest.model_copy(update={"preprocessing": spec}))

    @pytest.mark.parametrize(
        ("field", "value", "found"),
        [
            ("orientation", (2, 1, 0), "an orientation by the image's own axes"),
            ("crop_nonzero", True, "crop_nonzero"),
            ("thick_ratio", 3.0, "thick_ratio"),
            ("normalise_on", NormaliseOn.SOURCE, "normalise_on source"),
        ],
    )
    def test_steps_of_another_kind_are_refused(
        self, spots: Package, field: str, value: object, found: str
    ) -> None:
        spec = spots.manifest.preprocessing.model_copy(update={field: value})
        with pytest.raises(SettingsError, match=f"not those of this preprocessing: found {found}"):
            bundle_inference(spots.manifest.model_copy(update={"preprocessing": spec}))

    def test_cubic_images_beside_linear_logits_are_refused(self, spots: Package) -> None:
        steps = {"spacing_mm": (2.0, 2.0, 2.0), "interpolation": Interpolation.CUBIC}
        spec = spots.manifest.preprocessing.model_copy(update=steps)
        with pytest.raises(SettingsError, match="resamples logits as it did the images: found 'cubic'"):
            bundle_inference(spots.manifest.model_copy(update={"preprocessing": spec}))


class TestMonaiLoadsIt:
    def test_input_and_output_are_those_of_the_metadata(self, bundle: Path) -> None:
        verify_net_in_out(
            net_id="network_def",
            meta_file=str(bundle / "configs" / "metadata.json"),
            config_file=str(bundle / "configs" / "inference.json"),
            device="cpu",
        )

    @pytest.mark.filterwarnings("ignore:parsing config_file")
    def test_logits_equal_ours(self, bundle: Path, written: Package) -> None:
        network = load("bundle", bundle_dir=bundle.parent, workflow_type="inference", device="cpu").eval()
        images = torch.rand(2, 1, 16, 12, 8, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            assert torch.equal(network(images), written.load_network()(images).logits)

    @pytest.mark.filterwarnings("ignore:align_corners")
    @pytest.mark.parametrize(
        "intensity",
        [
            ZScore(region=Region.NONZERO),
            ZScore(region=Region.ALL),
            PercentileScale(low=1, high=99),
            WindowScale(low_hu=10, high_hu=80),
            FixedScale(clip=(10, 80), mean=30, std=12),
            FixedScale(mean=30, std=12),
        ],
        ids=lambda rule: rule.kind,
    )
    def test_preprocessing_equals_ours(self, spots: Package, tmp_path: Path, intensity: Intensity) -> None:
        volume = write_scan(tmp_path / "scan.nii.gz")
        channel = Channel(name="image", modality="MR", intensity=intensity)
        # Two millimetres from one: both ways to divide a field of view of even size agree.
        spec = spots.manifest.preprocessing.model_copy(
            update={"channels": (channel,), "spacing_mm": (2.0, 2.0, 2.0), "orientation": "LPS"}
        )
        parser = ConfigParser(bundle_inference(spots.manifest.model_copy(update={"preprocessing": spec})))
        found: Tensor = parser.get_parsed_content("preprocessing")({"image": str(tmp_path / "scan.nii.gz")})[
            "image"
        ]
        ours = prepare({"image": volume}, spec)
        torch.testing.assert_close(found.as_tensor(), ours.images, rtol=0, atol=1e-4)

    @pytest.mark.filterwarnings("ignore:align_corners")
    @pytest.mark.parametrize("grid", [SpacingGrid.FIRST_VOXEL, SpacingGrid.EXTENT])
    def test_exact_spacing_equals_ours(self, spots: Package, tmp_path: Path, grid: SpacingGrid) -> None:
        volume = write_scan(tmp_path / "scan.nii.gz")
        steps = {"spacing_mm": (1.7, 0.8, 2.3), "spacing_grid": grid}
        spec = spots.manifest.preprocessing.model_copy(update=steps)
        parser = ConfigParser(bundle_inference(spots.manifest.model_copy(update={"preprocessing": spec})))
        scan = {"image": str(tmp_path / "scan.nii.gz")}
        found: Tensor = parser.get_parsed_content("preprocessing")(scan)["image"]
        ours = prepare({"image": volume}, spec)
        torch.testing.assert_close(found.as_tensor(), ours.images, rtol=0, atol=1e-4)

    def test_tiling_and_way_back_are_written(self, spots: Package) -> None:
        steps = {
            "patch_overlap": 0.25,
            "patch_weights": PatchWeights.EQUAL,
            "way_back": WayBack.PROBABILITIES,
        }
        spec = spots.manifest.preprocessing.model_copy(update=steps)
        written = bundle_inference(spots.manifest.model_copy(update={"preprocessing": spec}))
        assert (written["inferer"]["overlap"], written["inferer"]["mode"]) == (0.25, "constant")
        names = [step["_target_"] for step in written["postprocessing"]["transforms"]]
        assert names[:2] == ["monai.transforms.Activationsd", "monai.transforms.Invertd"]

    @pytest.mark.filterwarnings("ignore:align_corners")
    def test_label_map_on_the_source_grid_equals_ours(
        self, spec: SegmentationSpec, tmp_path: Path, card: str
    ) -> None:
        package = write_package(
            tmp_path / "spots", two_channels(spec), two_channel_state(spec), card=card, licence="x"
        )
        export_bundle(package, tmp_path / "bundle")
        volumes = {
            name: write_scan(tmp_path / f"{name}.nii.gz", seed=seed) for seed, name in enumerate(CHANNELS)
        }
        parser = ConfigParser()
        parser.read_config(tmp_path / "bundle" / "configs" / "inference.json")
        parser["output_dir"] = str(tmp_path / "out")
        preprocess, infer, network, finish = (
            parser.get_parsed_content(name)
            for name in ("preprocessing", "inferer", "network", "postprocessing")
        )
        network.load_state_dict(torch.load(tmp_path / "bundle" / "models" / "model.pt", weights_only=True))
        sample = preprocess({name: str(tmp_path / f"{name}.nii.gz") for name in CHANNELS})
        with torch.inference_mode():
            sample["pred"] = infer(sample["image"][None], network.eval())[0]
        finish(sample)
        (file,) = (tmp_path / "out").rglob("*.nii.gz")

        prepared, ours = prepare(volumes, package.manifest.preprocessing), package.load_network()
        with torch.inference_mode():
            logits = SlidingWindowInferer((16, 12, 8), overlap=0.5, mode="gaussian")(
                prepared.images[None], lambda images: ours(images).logits
            )
        label_map = nib.load(file)
        np.testing.assert_allclose(label_map.affine, volumes["t1"].affine)
        np.testing.assert_array_equal(label_map.get_fdata(), prepared.restore(logits[0]).numpy())
