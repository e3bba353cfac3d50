"""What a network expects of its input, as data."""

from typing import Any

import pytest
from pydantic import ValidationError

from medpipe.core.preprocessing import (
    Channel,
    FixedScale,
    Intensity,
    PercentileScale,
    Preprocessing,
    Region,
    WindowScale,
    ZScore,
)


def spec(**changes: Any) -> Preprocessing:
    image = Channel(name="image", modality="MR", intensity=ZScore())
    return Preprocessing(**{"channels": (image,), "patch_shape": (40, 56, 40), **changes})


class TestPaddedShape:
    def test_small_image_becomes_a_patch(self) -> None:
        assert spec().padded_shape((35, 51, 36)) == (40, 56, 40)

    def test_large_axis_becomes_the_next_multiple(self) -> None:
        # 57 / 8 = 7.1: eight times eight.
        assert spec(multiple_of=8).padded_shape((40, 57, 10)) == (40, 64, 40)

    def test_without_a_multiple_a_large_axis_stays(self) -> None:
        assert spec().padded_shape((41, 57, 43)) == (41, 57, 43)


class TestThickAxis:
    @pytest.mark.parametrize(
        ("image_mm", "network_mm", "expected"),
        [
            ((1.0, 1.0, 3.0), (1.0, 1.0, 1.0), None),  # three times is not more than three times
            ((1.0, 1.0, 3.1), (1.0, 1.0, 1.0), 2),
            ((1.0, 1.0, 1.0), (0.5, 2.0, 0.5), 1),
            ((4.0, 1.0, 1.0), (1.0, 1.0, 4.0), 0),  # the first that is thick decides
            ((0.2, 1.0, 1.0), (4.0, 1.0, 1.0), None),  # two axes are as coarse
            ((1.0, 4.0000001, 4.0), (1.0, 1.0, 1.0), None),  # equal but for an affine's rounding
        ],
    )
    def test_is_the_coarse_one_of_the_first_anisotropic_spacing(
        self, image_mm: Any, network_mm: Any, expected: int | None
    ) -> None:
        assert spec(thick_ratio=3.0).thick_axis(image_mm, network_mm) == expected

    def test_there_is_none_without_a_ratio(self) -> None:
        assert spec().thick_axis((1.0, 1.0, 9.0)) is None


@pytest.mark.parametrize(
    "kind",
    [
        ZScore(),
        PercentileScale(low=1, high=99),
        WindowScale(low_hu=0, high_hu=80),
        FixedScale(clip=(-100, 300), mean=40, std=90),
    ],
)
def test_every_intensity_comes_back_from_json(kind: Intensity) -> None:
    written = spec(channels=(Channel(name="image", modality="CT", intensity=kind),))
    assert Preprocessing.model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"orientation": "RAR"}, "found 'RAR'"),
        ({"orientation": "XYZ"}, "orientation"),
        ({"orientation": (0, 1, 1)}, r"found \(0, 1, 1\)"),
        ({"thick_ratio": 1.0}, "greater than 1"),
        ({"mirror_axes": (0, 0)}, r"axes must differ, found \(0, 0\)"),
        (
            {"channels": (Channel(name="t1", modality="MR", intensity=ZScore(region=Region.INSIDE)),)},
            "normalise_on must be 'source'",
        ),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "greater than 0"),
        ({"patch_shape": (40, 56, 41), "multiple_of": 8}, "must be multiples of 8"),
        ({"patch_shape": (512, 512, 512)}, "more than 16777216 voxels"),
        ({"channels": ()}, "at least 1"),
        ({"channels": (Channel(name="t1", modality="MR", intensity=ZScore()),) * 2}, r"\['t1', 't1'\]"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changes)


def test_window_and_percentiles_must_be_in_order() -> None:
    with pytest.raises(ValidationError, match="found 80 and 0"):
        WindowScale(low_hu=80, high_hu=0)
    with pytest.raises(ValidationError, match="found 5 and 4"):
        FixedScale(clip=(5, 4))
    with pytest.raises(ValidationError, match="found 99 and 99"):
        PercentileScale(low=99, high=99)
