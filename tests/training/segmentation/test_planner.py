"""The planner: from what a data set looks like to a recipe that can be trained by."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import SettingsError
from medpipe.core.preprocessing import WindowScale, ZScore
from medpipe.data.cases import SegmentationCase
from medpipe.data.fingerprint import ChannelFacts, Fingerprint, take_fingerprint
from medpipe.models.registry import build_network, count_parameters
from medpipe.training.segmentation.fit import network_arguments
from medpipe.training.segmentation.planner import Plan, parse_label_names, plan_segmentation
from medpipe.training.segmentation.recipe import read_recipe

MAX_PARAMETERS = 6_000_000
NAMES = {1: "Anterior part", 2: "Posterior part"}


def fingerprint_of(
    *,
    shape: tuple[float, float, float] = (36, 51, 35),
    spacings: tuple[tuple[float, float, float], ...] = ((1, 1, 1),),
    modality: str = "MR",
    zero_share: float = 0.0,
    labels: tuple[int, ...] = (1, 2),
) -> Fingerprint:
    return Fingerprint(
        shapes=np.array([shape] * len(spacings), dtype=float),
        spacings_mm=np.array(spacings, dtype=float),
        channels={"image": ChannelFacts(modality, -160.3, 240.2, zero_share)},
        label_cases=dict.fromkeys(labels, 1),
    )


def plan(fingerprint: Fingerprint, **changes: object) -> Plan:
    options = {"name": "Some Parts", "label_names": NAMES, **changes}
    return plan_segmentation(fingerprint, **options)  # type: ignore[arg-type]


def patch_of(fingerprint: Fingerprint, **changes: object) -> tuple[int, int, int]:
    return plan(fingerprint, **changes).recipe.preprocessing.patch_shape


class TestPatch:
    def test_small_images_are_seen_whole(self) -> None:
        preprocessing = plan(fingerprint_of()).recipe.preprocessing
        assert preprocessing.patch_shape == (40, 56, 40)
        assert preprocessing.multiple_of == 8

    def test_large_ones_are_cut_into_cubes_in_mm(self) -> None:
        spacing = (0.8, 0.8, 1.6)
        patch = plan(
            fingerprint_of(shape=(512, 512, 400), spacings=(spacing,))
        ).recipe.preprocessing.patch_shape
        extent_mm = [size * step for size, step in zip(patch, spacing, strict=True)]
        assert max(extent_mm) / min(extent_mm) < 1.25
        assert max(patch) < 256

    @given(
        st.tuples(*[st.integers(1, 700)] * 3),
        st.tuples(*[st.sampled_from([0.3, 0.8, 1.0, 5.0])] * 3),
        st.sampled_from([1.0, 8.0, 80.0]),
    )
    def test_every_plan_can_be_built_and_packaged(
        self, shape: tuple[int, int, int], spacing: tuple[float, float, float], memory_gb: float
    ) -> None:
        recipe = plan(fingerprint_of(shape=shape, spacings=(spacing,)), memory_gb=memory_gb).recipe
        network = build_network(recipe.network.name, network_arguments(recipe))
        assert count_parameters(network) <= MAX_PARAMETERS
        assert recipe.schedule.steps % recipe.schedule.steps_per_epoch == 0
        assert 2 <= recipe.schedule.batch_size <= 8

    def test_less_memory_makes_smaller_patches(self) -> None:
        sizes = [
            np.prod(
                plan(fingerprint_of(shape=(400, 400, 400)), memory_gb=gb).recipe.preprocessing.patch_shape
            )
            for gb in (1.0, 4.0, 16.0)
        ]
        assert sizes == sorted(set(sizes))


class TestSpacing:
    def test_is_the_median(self) -> None:
        spacings = ((1, 1, 1), (1, 1, 2), (0.5, 1, 2))
        assert plan(fingerprint_of(spacings=spacings)).recipe.preprocessing.spacing_mm == (1, 1, 2)

    def test_far_coarser_axis_is_planned_finer(self) -> None:
        spacings = (*[(0.8, 0.8, 5.0)] * 6, *[(0.8, 0.8, 1.0)] * 4)
        assert plan(fingerprint_of(spacings=spacings)).recipe.preprocessing.spacing_mm == (0.8, 0.8, 1.0)


class TestIntensities:
    def test_ct_gets_a_window_around_what_is_labelled(self) -> None:
        recipe = plan(fingerprint_of(modality="CT")).recipe
        assert recipe.preprocessing.channels[0].intensity == WindowScale(low_hu=-160, high_hu=240)
        assert recipe.sampling.augmentation == "ct"

    @pytest.mark.parametrize(("zero_share", "region"), [(0.1, "all"), (0.6, "nonzero")])
    def test_mr_is_standardised_over_tissue(self, zero_share: float, region: str) -> None:
        intensity = plan(fingerprint_of(zero_share=zero_share)).recipe.preprocessing.channels[0].intensity
        assert isinstance(intensity, ZScore)
        assert intensity.region == region

    @pytest.mark.parametrize(("shape", "recipe"), [((36, 51, 35), "mr-crop"), ((180, 220, 180), "mr")])
    def test_augmentation_knows_crops_from_whole_parts(
        self, shape: tuple[float, float, float], recipe: str
    ) -> None:
        assert plan(fingerprint_of(shape=shape)).recipe.sampling.augmentation == recipe


class TestText:
    def test_is_the_recipe_with_reasons(self, tmp_path: Path) -> None:
        made = plan(fingerprint_of())
        text = made.text()
        (tmp_path / "recipe.yaml").write_text(text)
        assert read_recipe(tmp_path / "recipe.yaml") == made.recipe
        assert "spacing_mm: [1.0, 1.0, 1.0]  # median of 1 cases" in text
        for key in made.reasons:
            assert f"# {made.reasons[key]}" in text


class TestBadInput:
    def test_labels_must_be_named(self) -> None:
        with pytest.raises(SettingsError, match=r"found none for 2\. Give it, such as --label 2=liver"):
            plan(fingerprint_of(), label_names={1: "One"})

    def test_labels_must_count_from_one(self) -> None:
        with pytest.raises(SettingsError, match="must be 1, 2, 3"):
            plan(fingerprint_of(labels=(1, 3)))

    def test_empty_masks_teach_nothing(self) -> None:
        with pytest.raises(SettingsError, match="hold no label"):
            plan(fingerprint_of(labels=()))

    def test_modality_must_be_known(self) -> None:
        with pytest.raises(SettingsError, match="--modality MR"):
            plan(fingerprint_of(modality=""))
        assert (
            plan(fingerprint_of(modality=""), modality="MR").recipe.preprocessing.channels[0].modality == "MR"
        )

    @pytest.mark.parametrize("text", ["liver", "x=liver", "1=", "=liver"])
    def test_label_names_are_pairs(self, text: str) -> None:
        with pytest.raises(SettingsError, match="value=name"):
            parse_label_names([text])


def test_fingerprint_is_read_from_files(tmp_path: Path) -> None:
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2:4, 3:6, 5:9] = 1
    image = np.where(labels, 50.0, 0.0).astype(np.float32)
    affine = np.array([[0, -2.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]])
    for name, values in (("image", image), ("mask", labels)):
        nib.save(nib.Nifti1Image(values, affine), tmp_path / f"{name}.nii.gz")
    case = SegmentationCase("a", {"image": tmp_path / "image.nii.gz"}, tmp_path / "mask.nii.gz")
    seen: list[int] = []
    found = take_fingerprint([case, case], progress=lambda _, done, __: seen.append(done))
    assert found.shapes.tolist() == [[12, 10, 14]] * 2  # along right, anterior, superior
    assert found.spacings_mm.tolist() == [[2, 1, 3]] * 2
    assert found.label_cases == {1: 2}
    facts = found.channels["image"]
    assert (facts.low, facts.high) == (50, 50)
    assert facts.zero_share == pytest.approx(1 - 24 / labels.size)
    assert seen == [1, 2]
