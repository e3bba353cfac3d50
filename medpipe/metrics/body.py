"""Body or head: the largest bright object of an image, its volume and its intensities."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu

from medpipe.core.affine import Array, closest_axes, directions_of, spacing_of
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume

Mask = npt.NDArray[np.bool_]

_HU_RANGE: Final = (-1024.0, 1000.0)
"""Metal and padding lie outside; they would draw Otsu's threshold away from the skin."""

_BRIGHT_QUANTILE: Final = 0.995
"""Other modalities have no fixed scale: vessels and fat above this are clipped."""

_TOUCH_FRACTION: Final = 0.01
"""Share of a face of the field of view that the body must cover to count as cut off."""

_FACES: Final = (("left", "right"), ("back", "front"), ("bottom", "top"))
_SUPERIOR: Final = 2


@dataclass(frozen=True, eq=False)
class BodyMeasures:
    """The body in an image.

    Attributes:
        threshold: Otsu's threshold, in the image's unit.
        volume_ml: Volume inside the field of view, holes filled.
        touched_faces: Sides at which the field of view cuts it off; top and bottom are not named, as
            nearly every scan ends inside the body there.
        intensities: Mean, standard deviation, median, 1st and 99th percentile inside.
        values: ``(N,)`` intensities inside, on the thinned grid.
        mask: The body on the thinned grid.
        steps: Source voxels along each axis that one thinned voxel stands for.
        shape: ``(I, J, K)`` of the source.
    """

    threshold: float
    volume_ml: float
    touched_faces: tuple[str, ...]
    intensities: dict[str, float]
    values: npt.NDArray[np.float32]
    mask: Mask
    steps: tuple[int, int, int]
    shape: tuple[int, int, int]

    @property
    def is_flat(self) -> bool:
        """Whether the image holds a single value, so that there is no body."""
        return not len(self.values)

    def fractions(self, air_below_hu: float, bone_above_hu: float) -> tuple[float, float]:
        """Return the shares of the body below one density and above another, in [0, 1]."""
        return float((self.values < air_below_hu).mean()), float((self.values > bone_above_hu).mean())

    def full_mask(self) -> npt.NDArray[np.uint8]:
        """Return the ``(I, J, K)`` mask on the source grid."""
        full = self.mask
        for axis, step in enumerate(self.steps):
            full = np.repeat(full, step, axis=axis) if step > 1 else full
        size_i, size_j, size_k = self.shape
        return np.ascontiguousarray(full[:size_i, :size_j, :size_k], dtype=np.uint8)


def measure_body(image: Volume | SliceStack, *, thin_to_mm: float) -> BodyMeasures:
    """Find the body by Otsu's threshold and measure it.

    The largest connected object above the threshold is taken and its holes filled in each axial
    plane, so that lungs and sinuses belong to it.

    Args:
        image: The first channel is used; HU for CT.
        thin_to_mm: The search runs on every n-th voxel, n such that the spacing stays near this.

    Source:
        Otsu 1979, "A threshold selection method from gray-level histograms".
    """
    array, affine, depths_mm = _as_array(image)
    spacing = spacing_of(affine)
    steps = tuple(max(1, round(thin_to_mm / step)) for step in spacing)
    thinned = array[:: steps[0], :: steps[1], :: steps[2]]
    threshold = _threshold(thinned, is_ct=image.modality == "CT")
    mask = np.zeros(thinned.shape, bool) if threshold is None else _largest_object(thinned, threshold, affine)
    values = np.asarray(thinned[mask], dtype=np.float32)
    return BodyMeasures(
        threshold=float(thinned.flat[0]) if threshold is None else threshold,
        volume_ml=_volume_ml(mask, affine, steps, array.shape, depths_mm),
        touched_faces=_touched_faces(mask, affine),
        intensities=measure_intensities(values) if len(values) else {},
        values=values,
        mask=mask,
        steps=steps,  # type: ignore[arg-type]  # three axes
        shape=array.shape,
    )


def measure_intensities(values: npt.NDArray[Any]) -> dict[str, float]:
    """Return mean, standard deviation, median, 1st and 99th percentile of at least one value."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    low, median, high = np.percentile(flat, [1, 50, 99])
    return {
        "mean intensity": float(flat.mean()),
        "intensity SD": float(flat.std()),
        "median intensity": float(median),
        "1st percentile": float(low),
        "99th percentile": float(high),
    }


def slice_depths_mm(slices: SliceStack) -> Array:
    """Return the depth in mm that each slice stands for, ``(S,)``: halfway to its neighbours on both sides.

    One slice alone stands for its thickness, or for 1 mm where that is unknown.
    """
    gaps = slices.gaps_mm
    if not len(gaps):
        return np.nan_to_num(slices.thickness_mm, nan=1.0)
    padded = np.concatenate([gaps[:1], gaps, gaps[-1:]])
    return np.asarray((padded[:-1] + padded[1:]) / 2, dtype=np.float64)


def _as_array(image: Volume | SliceStack) -> tuple[npt.NDArray[np.float32], Array, Array | None]:
    """Return values ``(I, J, K)``, affine, and for slices the depth in mm that each stands for."""
    if isinstance(image, Volume):
        return image.array[0].numpy(), image.affine, None
    affine = image.slice_affine(0)
    if image.num_slices > 1:
        affine[:3, 2] *= float(np.median(image.gaps_mm))
    return np.moveaxis(image.array[:, 0].numpy(), 0, 2), affine, slice_depths_mm(image)


def _threshold(values: npt.NDArray[np.float32], *, is_ct: bool) -> float | None:
    low, high = _HU_RANGE if is_ct else (float(values.min()), float(np.quantile(values, _BRIGHT_QUANTILE)))
    if not is_ct and high <= low:
        high = float(values.max())  # the object is smaller than what would be clipped
    clipped = np.clip(values, low, high)
    if clipped.min() == clipped.max():
        return None
    return float(threshold_otsu(clipped.ravel()))  # four slices would pass for a colour image


def _largest_object(values: npt.NDArray[np.float32], threshold: float, affine: Array) -> Mask:
    objects, count = ndimage.label(values > threshold)
    if not count:
        return np.zeros(values.shape, bool)
    sizes = np.bincount(objects.ravel())
    sizes[0] = 0
    mask: Mask = objects == int(sizes.argmax())
    axis = closest_axes(affine).index(_SUPERIOR)
    planes = np.moveaxis(mask, axis, 0)
    for plane in planes:
        plane[...] = ndimage.binary_fill_holes(plane)
    return mask


def _volume_ml(
    mask: Mask,
    affine: Array,
    steps: tuple[int, ...],
    shape: tuple[int, ...],
    depths_mm: Array | None,
) -> float:
    """Sum the mask, each thinned voxel with the source voxels that it stands for."""
    weights = [
        np.minimum(step, size - np.arange(0, size, step)).astype(float)
        for step, size in zip(steps, shape, strict=True)
    ]
    voxel_mm3 = abs(float(np.linalg.det(affine[:3, :3])))
    if depths_mm is not None:
        weights[2] = np.add.reduceat(depths_mm, np.arange(0, shape[2], steps[2]))
        voxel_mm3 /= spacing_of(affine)[2]
    total = np.einsum("ijk,i,j,k->", mask, *weights, optimize=True)
    return float(total) * voxel_mm3 / 1000.0


def _touched_faces(mask: Mask, affine: Array) -> tuple[str, ...]:
    directions = directions_of(affine)
    touched = []
    for axis, world in enumerate(closest_axes(affine)):
        if world == _SUPERIOR:
            continue
        first, last = _FACES[world] if directions[world, axis] > 0 else reversed(_FACES[world])
        touched += [
            name
            for name, index in ((first, 0), (last, -1))
            if mask.take(index, axis=axis).mean() > _TOUCH_FRACTION
        ]
    return tuple(sorted(touched))
