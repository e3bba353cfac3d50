"""The intensity transforms of a bundle in medpipe's terms."""

from collections.abc import Mapping
from typing import Final

from medpipe.core.preprocessing import Intensity, PercentileScale, Region, WindowScale, ZScore
from medpipe.zoo.foreign.bundle_steps import Reader, Rule, Steps
from medpipe.zoo.foreign.component import Component

FLOAT32: Final = ("float32", None)
"""Number types that a transform may name."""

FLOAT32_FIX: Final = "medpipe computes in float32"
_UNIT_FIX: Final = "medpipe scales to 0 and 1"
_CLIP_FIX: Final = "medpipe clips what it scales"

_MIN_MAX: Final = PercentileScale(low=0.0, high=100.0)
"""From the least value to the greatest."""


def _standardise(transform: Component, steps: Steps) -> None:
    for name in ("subtrahend", "divisor"):
        transform.expect(name, None, None, fix="medpipe computes mean and deviation of each image")
    transform.expect("dtype", "float32", *FLOAT32, fix=FLOAT32_FIX)
    region = Region.NONZERO if transform.take("nonzero", bool, default=False) else Region.ALL
    by_channel = transform.take("channel_wise", bool, default=False)
    # Mean and deviation undo a linear scaling before them, but for what counts as nonzero.
    replaces = None if region is Region.NONZERO else _MIN_MAX
    _set_rule(transform, steps, Rule(ZScore(region=region), by_channel), replaces=replaces)


def _window(transform: Component, steps: Steps) -> None:
    low, high = transform.take("a_min", float), transform.take("a_max", float)
    _unit_range(transform)
    if low >= high:
        transform.refuse("a_max", high, f"it must lie above a_min, {low:g}")
    _set_rule(transform, steps, Rule(WindowScale(low_hu=low, high_hu=high), by_channel=True))


def _percentiles(transform: Component, steps: Steps) -> None:
    low, high = transform.take("lower", float), transform.take("upper", float)
    _unit_range(transform)
    transform.expect("relative", False, False, fix=_UNIT_FIX)
    if not 0 <= low < high <= 100:
        transform.refuse("upper", high, f"percentiles from {low:g} must rise within 0 to 100")
    by_channel = transform.take("channel_wise", bool, default=False)
    _set_rule(transform, steps, Rule(PercentileScale(low=low, high=high), by_channel))


def _min_max(transform: Component, steps: Steps) -> None:
    transform.expect("minv", 0.0, 0.0, fix=_UNIT_FIX)
    transform.expect("maxv", 1.0, 1.0, fix=_UNIT_FIX)
    transform.expect("factor", None, None, fix=_UNIT_FIX)
    transform.expect("dtype", "float32", *FLOAT32, fix=FLOAT32_FIX)
    by_channel = transform.take("channel_wise", bool, default=False)
    _set_rule(transform, steps, Rule(_MIN_MAX, by_channel))


def _unit_range(transform: Component) -> None:
    transform.expect("b_min", None, 0.0, fix=_UNIT_FIX)
    transform.expect("b_max", None, 1.0, fix=_UNIT_FIX)
    transform.expect("clip", False, True, fix=_CLIP_FIX)
    transform.expect("dtype", "float32", *FLOAT32, fix=FLOAT32_FIX)


def _set_rule(transform: Component, steps: Steps, rule: Rule, *, replaces: Intensity | None = None) -> None:
    for key in steps.current:
        if key in steps.rules and steps.rules[key].intensity != replaces:
            transform.refuse("_target_", f"a second intensity step, {transform.name}", "medpipe has one")
        steps.rules[key] = rule


INTENSITIES: Final[Mapping[str, Reader]] = {
    "NormalizeIntensityd": _standardise,
    "ScaleIntensityRanged": _window,
    "ScaleIntensityRangePercentilesd": _percentiles,
    "ScaleIntensityd": _min_max,
}
"""Transforms that set the intensity rule of an image."""
