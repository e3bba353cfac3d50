"""A bundle's inferer and postprocessing: patch by patch, and one class a voxel."""

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from medpipe.core.network_grid import WayBack
from medpipe.core.patches import PatchWeights
from medpipe.core.preprocessing import Shape3
from medpipe.zoo.foreign.bundle_config import BundleConfig
from medpipe.zoo.foreign.bundle_preprocessing import transforms_at
from medpipe.zoo.foreign.component import Component
from medpipe.zoo.foreign.refusals import Refusals

_INFERER: Final = "inferer"
_POSTPROCESSING: Final = "postprocessing"
_NO_CLASSES: Final = (
    "medpipe's label maps hold one class a voxel: channels that may overlap cannot be taken over"
)
_CLEANING: Final = frozenset(
    {"KeepLargestConnectedComponentd", "FillHolesd", "RemoveSmallObjectsd", "LabelFilterd"}
)
"""What tidies a label map; medpipe's own stage does that where it is asked to."""

_UNCHANGING: Final = frozenset({"SaveImaged", "EnsureTyped", "ToTensord", "CastToTyped", "DeleteItemsd"})

_WEIGHTS: Final[Mapping[str, PatchWeights]] = {
    "constant": PatchWeights.EQUAL,
    "gaussian": PatchWeights.FLOORED,
}
_SIGMA: Final = 0.125
"""Width of the Gaussian that medpipe's weights have."""


class Patches(NamedTuple):
    """How an inferer predicts patch by patch.

    Attributes:
        shape: Voxels of a patch.
        overlap: Share of it in common with the next one.
        weights: How much it counts.
    """

    shape: Shape3
    overlap: float
    weights: PatchWeights


def read_patches(config: BundleConfig, refusals: Refusals, notes: list[str]) -> Patches | None:
    """Read ``inferer``; return None where it was refused; differences are noted."""
    with refusals.collecting():
        inferer = Component(config, config.at(_INFERER), _INFERER, refusals, package="monai.inferers")
        if inferer.name != "SlidingWindowInferer":
            inferer.refuse("_target_", inferer.name, "medpipe knows SlidingWindowInferer")
        return inferer.read(partial(_patches, inferer, notes))
    return None


def _patches(inferer: Component, notes: list[str]) -> Patches:
    inferer.ignore(
        "sw_batch_size", "sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh",
        "buffer_steps", "buffer_dim",
    )  # fmt: skip
    inferer.expect("with_coord", False, False, fix="medpipe gives networks images alone")
    overlap, weights = _overlap(inferer, notes), _weights(inferer, notes)
    padding, value = inferer.take("padding_mode", str, "constant"), inferer.take("cval", float, 0.0)
    if padding != "constant" or value != 0:
        notes.append("Images smaller than a patch: medpipe pads them with 0, the bundle in another way.")
    size = inferer.take("roi_size", int | list[int])
    shape = (size,) * 3 if isinstance(size, int) else tuple(size)
    if len(shape) != 3 or min(shape) < 1:
        inferer.refuse("roi_size", size, "write three positive numbers")
    return Patches((shape[0], shape[1], shape[2]), overlap, weights)


def _overlap(inferer: Component, notes: list[str]) -> float:
    overlap = inferer.take("overlap", float | list[float], 0.25)
    shares: list[float] = overlap if isinstance(overlap, list) else [overlap]
    if not shares:
        inferer.refuse("overlap", shares, "write a number from 0 to below 1")
    if len(set(shares)) != 1:
        notes.append(f"Patches: the bundle lets them overlap by {shares}, medpipe by the largest of these.")
    return max(shares)


def _weights(inferer: Component, notes: list[str]) -> PatchWeights:
    mode = inferer.take("mode", str, "constant")
    if mode not in _WEIGHTS:
        inferer.refuse("mode", mode, f"medpipe knows {', '.join(_WEIGHTS)}")
    sigma = inferer.take("sigma_scale", float | list[float], _SIGMA)
    if mode == "gaussian" and sigma not in (_SIGMA, [_SIGMA] * 3):
        notes.append(f"Patches: the bundle's Gaussian weights have the width {sigma}, medpipe's {_SIGMA}.")
    return _WEIGHTS[mode]


def read_way_back(config: BundleConfig, refusals: Refusals, notes: list[str]) -> WayBack:
    """Read how ``postprocessing`` brings what to the image's grid; differences are noted.

    It must end in the class of the highest logit.
    """
    transforms = transforms_at(config, _POSTPROCESSING, refusals)
    known = {"Activationsd", "AsDiscreted", "Invertd"} | _CLEANING | _UNCHANGING
    for transform in transforms:
        if transform.name in _CLEANING:
            notes.append(f"Cleaning of label maps is left out: {transform.name}.")
        elif transform.name not in known:
            listed = ", ".join(sorted(known))
            refusals.add(f"{transform.place}#_target_", transform.name, f"medpipe knows {listed}")
    if not any(transform.name == "AsDiscreted" for transform in transforms):
        refusals.add(_POSTPROCESSING, "no AsDiscreted", _NO_CLASSES)
    return _way_back(transforms, refusals, notes)


def _way_back(transforms: list[Component], refusals: Refusals, notes: list[str]) -> WayBack:
    way_back = WayBack.LOGITS
    are_probabilities = are_labels = False
    for transform in transforms:
        if transform.name == "Activationsd":
            are_probabilities = bool(refusals.attempt(partial(_read_softmax, transform)))
        elif transform.name == "AsDiscreted":
            _check_decision(transform)
            are_labels = True
        elif transform.name == "Invertd":
            is_nearest = refusals.attempt(partial(_read_nearest, transform))
            if is_nearest or are_labels:
                way_back = WayBack.NEAREST
            elif are_probabilities:
                way_back = WayBack.PROBABILITIES
            if are_labels and is_nearest is False:
                notes.append("Way back: the bundle interpolates labels, medpipe takes the nearest one.")
    return way_back


def _read_softmax(transform: Component) -> bool:
    transform.expect("sigmoid", False, False, fix=_NO_CLASSES)
    transform.expect("other", None, None, fix="medpipe takes the highest logit")
    return transform.take("softmax", bool | list[bool], False) not in (False, [False])


def _read_nearest(transform: Component) -> bool:
    return transform.take("nearest_interp", bool | list[bool], True) in (True, [True])


def _check_decision(transform: Component) -> None:
    transform.expect("argmax", False, True, fix=_NO_CLASSES)
    transform.expect("threshold", None, None, fix=_NO_CLASSES)
    transform.expect("rounding", None, None, fix=_NO_CLASSES)
