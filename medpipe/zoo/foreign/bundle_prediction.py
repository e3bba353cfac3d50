"""A bundle's inferer and postprocessing: patch by patch, and one class a voxel."""

from functools import partial
from typing import Any, Final

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


def read_patch_shape(config: BundleConfig, refusals: Refusals, notes: list[str]) -> Shape3 | None:
    """Read ``inferer``: the shape of its patches, or None where it was refused; differences are noted."""
    with refusals.collecting():
        inferer = Component(config, config.at(_INFERER), _INFERER, refusals, package="monai.inferers")
        if inferer.name != "SlidingWindowInferer":
            inferer.refuse("_target_", inferer.name, "medpipe knows SlidingWindowInferer")
        return inferer.read(partial(_patch_shape, inferer, notes))
    return None


def _patch_shape(inferer: Component, notes: list[str]) -> Shape3:
    inferer.ignore(
        "sw_batch_size", "sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh",
        "buffer_steps", "buffer_dim",
    )  # fmt: skip
    inferer.expect("with_coord", False, False, fix="medpipe gives networks images alone")
    _note_blending(inferer, notes)
    size = inferer.take("roi_size", int | list[int])
    shape = (size,) * 3 if isinstance(size, int) else tuple(size)
    if len(shape) != 3 or min(shape) < 1:
        inferer.refuse("roi_size", size, "write three positive numbers")
    return shape[0], shape[1], shape[2]


def _note_blending(inferer: Component, notes: list[str]) -> None:
    overlap: Any = inferer.take("overlap", float | list[float], 0.25)
    mode = inferer.take("mode", str, "constant")
    sigma: Any = inferer.take("sigma_scale", float | list[float], 0.125)
    weights = "equal weights" if mode == "constant" else f"{mode} weights of width {sigma}"
    notes.append(
        f"Patches: the bundle lets them overlap by {overlap} with {weights}; medpipe by its own option, with "
        "Gaussian weights."
    )
    padding, value = inferer.take("padding_mode", str, "constant"), inferer.take("cval", float, 0.0)
    if padding != "constant" or value != 0:
        notes.append("Images smaller than a patch: medpipe pads them with 0, the bundle in another way.")


def check_postprocessing(config: BundleConfig, refusals: Refusals, notes: list[str]) -> None:
    """Check that ``postprocessing`` ends in the class of the highest logit; differences are noted."""
    decided = False
    for transform in transforms_at(config, _POSTPROCESSING, refusals):
        if transform.name in _CLEANING:
            notes.append(f"Cleaning of label maps is left out: {transform.name}.")
        elif transform.name == "Activationsd":
            transform.expect("sigmoid", False, False, fix=_NO_CLASSES)
            transform.expect("other", None, None, fix="medpipe takes the highest logit")
        elif transform.name == "AsDiscreted":
            _check_decision(transform)
            decided = True
        elif transform.name == "Invertd":
            if decided:
                notes.append("Way back: the bundle moves labels to the image's grid, medpipe logits.")
        elif transform.name not in _UNCHANGING:
            known = sorted({"Activationsd", "AsDiscreted", "Invertd"} | _CLEANING | _UNCHANGING)
            refusals.add(f"{transform.place}#_target_", transform.name, f"medpipe knows {', '.join(known)}")
    if not decided:
        refusals.add(_POSTPROCESSING, "no AsDiscreted", _NO_CLASSES)


def _check_decision(transform: Component) -> None:
    transform.expect("argmax", False, True, fix=_NO_CLASSES)
    transform.expect("threshold", None, None, fix=_NO_CLASSES)
    transform.expect("rounding", None, None, fix=_NO_CLASSES)
