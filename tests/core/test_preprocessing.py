"""What a network expects of its input, as data."""

from typing import Any

import pytest
from pydantic import ValidationError

from medpipe.core.preprocessing import Channel, PercentileScale, Preprocessing, WindowScale, ZScore


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


@pytest.mark.parametrize(
    "kind", [ZScore(), PercentileScale(low=1, high=99), WindowScale(low_hu=0, high_hu=80)]
)
def test_every_intensity_comes_back_from_json(kind: ZScore | PercentileScale | WindowScale) -> None:
    written = spec(channels=(Channel(name="image", modality="CT", intensity=kind),))
    assert Preprocessing.model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"orientation": "RAR"}, "found 'RAR'"),
        ({"orientation": "XYZ"}, "orientation"),
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
    with pytest.raises(ValidationError, match="found 99 and 99"):
        PercentileScale(low=99, high=99)
