"""What is stated of structures beside their volume: where they lie and how bright they are."""

from collections.abc import Sequence
from typing import Final

from medpipe.core.findings import Measurement, Structure, intensity_unit
from medpipe.core.grid import Grid
from medpipe.core.volume import Volume
from medpipe.metrics.structures import LabelMap, centroids, mean_by_label

_DIGITS: Final = 4


def with_centres(structures: Sequence[Structure], label_map: LabelMap, grid: Grid) -> tuple[Structure, ...]:
    """Return structures with the centroid of their voxels; those without a voxel stay as they are.

    A centroid goes through any affine, a sheared one included, as a voxel does.

    Args:
        structures: Of one label map.
        label_map: ``(I, J, K)`` integers on ``grid``.
        grid: Grid of the image.
    """
    centres = grid.to_world_mm(centroids(label_map))
    return tuple(
        item.model_copy(update={"centre_mm": tuple(round(float(x), _DIGITS) for x in centres[item.label])})
        if item.volume_ml
        else item
        for item in structures
    )


def mean_intensities(
    structures: Sequence[Structure], label_map: LabelMap, image: Volume, *, role: str, modality: str
) -> tuple[Measurement, ...]:
    """Return the mean intensity of each structure that has a voxel, coded as the structure.

    Args:
        structures: Of one label map.
        label_map: ``(I, J, K)`` integers on the grid of ``image``.
        image: The values; its first channel counts.
        role: Its role.
        modality: What the values are: Hounsfield units for CT.
    """
    means = mean_by_label(label_map, image.array[0].numpy())
    return tuple(
        Measurement(
            id=f"{item.id}/{role}_mean_intensity",
            code=item.code,
            laterality=item.laterality,
            source=role,
            made_by=item.made_by,
            name=" ".join(filter(None, (item.laterality, item.code.meaning.lower(), "mean intensity"))),
            value=round(float(means[item.label]), _DIGITS),
            unit=intensity_unit(modality),
        )
        for item in structures
        if item.volume_ml
    )
