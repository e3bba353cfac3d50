"""The geometric transforms of a bundle in medpipe's terms, and those that change nothing."""

from collections.abc import Mapping
from typing import Final

from medpipe.core.network_grid import SpacingGrid
from medpipe.zoo.foreign.bundle_intensities import FLOAT32, FLOAT32_FIX
from medpipe.zoo.foreign.bundle_steps import Reader, Steps
from medpipe.zoo.foreign.component import Component

_BORDERS: Final = ("border", ["border"])
_OPPOSITE: Final = str.maketrans("RPI", "LAS")
"""Each axis by one of its two letters."""


def _load(transform: Component, steps: Steps) -> None:
    transform.take("reader", str | None, None)
    transform.expect("dtype", None, *FLOAT32, fix="medpipe reads float32")
    transform.expect("simple_keys", False, False, True, fix="write true or false")
    transform.expect("ensure_channel_first", False, False, True, fix="write true or false")
    transform.ignore("image_only", "meta_keys", "meta_key_postfix", "overwriting", "prune_meta_pattern")


def _nothing(transform: Component, steps: Steps) -> None:
    transform.expect("dtype", "float32", *FLOAT32, fix=FLOAT32_FIX)
    transform.expect("data_type", "tensor", "tensor", fix="medpipe computes with tensors")
    transform.ignore("device", "track_meta", "wrap_sequence", "channel_dim", "strict_check", "meta_keys")


def _orient(transform: Component, steps: Steps) -> None:
    transform.ignore("labels")
    transform.expect("as_closest_canonical", False, False, fix="name the axes by axcodes")
    axcodes = transform.take("axcodes", str)
    if steps.spacing_mm is not None and len(set(steps.spacing_mm)) > 1:
        transform.refuse("_target_", "Orientationd after Spacingd", "turn the axes before they are resampled")
    if sorted("LAS".find(code.translate(_OPPOSITE)) for code in axcodes) != [0, 1, 2]:
        transform.refuse("axcodes", axcodes, "three different axes are needed, such as RAS")
    if steps.spacing_mm is not None:
        steps.notes.append(
            "Resampling: the bundle resamples before it turns the axes, medpipe after: where one is "
            "reversed, voxels may lie up to half a voxel elsewhere."
        )
    steps.orientation = axcodes


def _space(transform: Component, steps: Steps) -> None:
    pixdim = transform.take("pixdim", float | list[float])
    if not isinstance(pixdim, list) or len(pixdim) != 3 or min(pixdim) <= 0:
        transform.refuse("pixdim", pixdim, "write three positive numbers")
    modes = ("bilinear", ["bilinear"], ["bilinear"] * len(steps.keys))
    transform.expect("mode", "bilinear", *modes, fix="medpipe resamples linearly")
    transform.expect("diagonal", False, False, fix="medpipe keeps the axes")
    for name in ("min_pixdim", "max_pixdim"):
        transform.expect(name, None, None, fix="medpipe resamples every image")
    if transform.take("padding_mode", str | list[str], "border") not in _BORDERS:
        steps.notes.append("Resampling: behind the last voxel medpipe repeats it, the bundle does not.")
    # Voxels lie at the same places whether corners are aligned or not.
    transform.ignore("align_corners", "dtype", "recompute_affine", "ensure_same_shape", "meta_keys")
    steps.spacing_mm = tuple(pixdim)
    keeps_extent = transform.take("scale_extent", bool, default=False)
    steps.spacing_grid = SpacingGrid.EXTENT if keeps_extent else SpacingGrid.FIRST_VOXEL


def _crop(transform: Component, steps: Steps) -> None:
    transform.take("source_key", str)
    transform.expect("channel_indices", None, None, fix="medpipe looks at all channels")
    transform.ignore(
        "mode",
        "margin",
        "k_divisible",
        "allow_smaller",
        "start_coord_key",
        "end_coord_key",
        "constant_values",
    )
    steps.notes.append(
        "Cropping: the bundle predicts within the box of the voxels above 0 and calls all else background; "
        "medpipe predicts the whole image."
    )


def _pad(transform: Component, steps: Steps) -> None:
    size = transform.take("spatial_size", int | list[int])
    _zero_padding(transform)
    steps.pad_shape = tuple(size) if isinstance(size, list) else (size,) * 3


def _pad_to_multiple(transform: Component, steps: Steps) -> None:
    multiple = transform.take("k", int | list[int])
    _zero_padding(transform)
    multiples = set(multiple) if isinstance(multiple, list) else {multiple}
    if len(multiples) != 1 or min(multiples) < 1:
        transform.refuse("k", multiple, "medpipe pads all axes to multiples of one number")
    steps.multiple_of = multiples.pop()


def _zero_padding(transform: Component) -> None:
    transform.expect("method", "symmetric", "symmetric", fix="medpipe pads on both sides")
    transform.expect("mode", "constant", "constant", fix="medpipe pads with 0")
    for name in ("value", "constant_values"):
        transform.expect(name, 0, 0, fix="medpipe pads with 0")


def _join(transform: Component, steps: Steps) -> None:
    transform.expect("dim", 0, 0, fix="medpipe joins channels")
    steps.joined = transform.take("name", str)


UNCHANGING: Final[Mapping[str, Reader]] = {
    "LoadImaged": _load,
    "EnsureChannelFirstd": _nothing,
    "AddChanneld": _nothing,
    "EnsureTyped": _nothing,
    "CastToTyped": _nothing,
    "ToTensord": _nothing,
}
"""Transforms that may be of some images only and stand anywhere."""

GEOMETRIC: Final[Mapping[str, Reader]] = {
    "Orientationd": _orient,
    "Spacingd": _space,
    "CropForegroundd": _crop,
    "SpatialPadd": _pad,
    "DivisiblePadd": _pad_to_multiple,
    "ConcatItemsd": _join,
}
"""Transforms that all images need alike."""
