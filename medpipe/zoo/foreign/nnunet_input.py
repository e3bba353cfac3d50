"""What a trained nnU-Net expects of its input, and what its classes are.

Source: nnU-Net v2, ``default_preprocessor.py``, ``default_normalization_schemes.py``,
``default_resampling.py`` and the readers in ``imageio/``.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from medpipe.core.grid import Orientation
from medpipe.core.labels import LabelSpec
from medpipe.core.patches import PatchCentre
from medpipe.core.preprocessing import (
    Channel,
    FixedScale,
    Intensity,
    Interpolation,
    NormaliseOn,
    PercentileScale,
    Preprocessing,
    Region,
    ZScore,
)
from medpipe.zoo.foreign.names import labels_of, plain_name
from medpipe.zoo.foreign.nnunet_files import DATASET, PLANS, Configuration, Dataset, Plans
from medpipe.zoo.foreign.refusals import Refusals

_MODALITIES: Final[Mapping[str, str]] = {
    "CT": "ct cbct",
    "MR": "mr mri t1 t1w t1c t1ce t1gd t1n t2 t2w t2f flair adc dwi swi pd dce hbv mprage",
    "PT": "pt pet",
    "US": "us ultrasound",
}
"""Words in the names that makers give to channels of each DICOM modality."""

_AS_THEY_LIE: Final = frozenset({"SimpleITKIO", "NibabelIO"})
_TURNED_TO_RAS: Final = frozenset({"SimpleITKIOWithReorient", "NibabelIOWithReorient"})
_INTERPOLATIONS: Final = {1: Interpolation.LINEAR, 3: Interpolation.CUBIC}
_LEAST_STD: Final = 1e-8
_RGB_WHITE: Final = 255.0
_ONLY_CHANNEL: Final = "image"


def read_preprocessing(
    dataset: Dataset,
    plans: Plans,
    configuration: Configuration,
    mirror_axes: tuple[int, ...],
    refusals: Refusals,
) -> Preprocessing | None:
    """Return what the network expects, or None where something was refused.

    Args:
        dataset: ``dataset.json``.
        plans: ``plans.json``.
        configuration: The one that was trained.
        mirror_axes: Axes along which training mirrored patches.
        refusals: Notes what is refused.
    """
    with refusals.collecting():
        images, logits = (
            configuration.resampling_fn_data_kwargs,
            configuration.resampling_fn_probabilities_kwargs,
        )
        if images.order not in _INTERPOLATIONS:
            refusals.add(f"{PLANS}#resampling_fn_data_kwargs#order", images.order, "medpipe knows 1 and 3")
        ratios = [
            None if item.force_separate_z is False else item.separate_z_anisotropy_threshold
            for item in (images, logits)
        ]
        if ratios[0] != ratios[1]:
            refusals.add(f"{PLANS}#resampling_fn_data_kwargs", ratios, "images and logits must agree")
        try:
            return Preprocessing.model_validate(
                {
                    "channels": _channels(dataset, plans, configuration, refusals),
                    "orientation": _orientation(plans, refusals),
                    "crop_nonzero": True,
                    "spacing_mm": configuration.spacing,
                    "interpolation": _INTERPOLATIONS.get(images.order, Interpolation.CUBIC),
                    "thick_ratio": ratios[0],
                    "normalise_on": NormaliseOn.SOURCE,
                    "patch_shape": configuration.patch_size,
                    "patch_centre": PatchCentre.VOXEL,
                    "mirror_axes": mirror_axes,
                }
            )
        except ValidationError as error:
            refusals.refuse(PLANS, error.errors()[0]["msg"], "its values must agree")
    return None


def read_labels(dataset: Dataset, refusals: Refusals) -> tuple[LabelSpec, ...]:
    """Return the classes behind the background.

    Raises:
        RefusedItemError: Classes are regions of several labels, are to be ignored, are too many or are not
            numbered 0, 1, 2 and so on from the background.
    """
    place = f"{DATASET}#labels"
    regions = [name for name, value in dataset.labels.items() if isinstance(value, list)]
    if regions or dataset.regions_class_order is not None:
        refusals.refuse(
            place, f"regions {', '.join(regions)}", "medpipe takes classes that exclude each other"
        )
    if "ignore" in dataset.labels:
        refusals.refuse(place, "an ignore label", "medpipe takes data sets that were labelled throughout")
    values = {value: name for name, value in dataset.labels.items() if isinstance(value, int)}
    if sorted(values) != list(range(len(dataset.labels))) or values.get(0) != "background":
        refusals.refuse(place, dict(dataset.labels), "the background is 0, and classes are 1, 2, 3 ...")
    return labels_of([values[value] for value in range(1, len(values))], place, refusals)


def _channels(
    dataset: Dataset, plans: Plans, configuration: Configuration, refusals: Refusals
) -> list[Channel]:
    names = [
        dataset.channel_names[key] for key in sorted(dataset.channel_names, key=lambda key: (len(key), key))
    ]
    counts = {len(names), len(configuration.normalization_schemes), len(configuration.use_mask_for_norm)}
    if len(counts) > 1:
        refusals.refuse(f"{DATASET}#channel_names", names, f"{PLANS} normalises another number of channels")
    channels = []
    for number, name in enumerate(names):
        place = f"{DATASET}#channel_names#{number}"
        with refusals.collecting():
            channels.append(
                Channel(
                    name=plain_name(name) if len(names) > 1 else _ONLY_CHANNEL,
                    modality=_modality(name, place, refusals),
                    intensity=_intensity(plans, configuration, number, refusals),
                )
            )
    if len(channels) < len(names):
        refusals.refuse(f"{DATASET}#channel_names", names, "each must be known")
    return channels


def _modality(name: str, place: str, refusals: Refusals) -> str:
    words = set(re.findall(r"[a-z0-9]+", name.lower()))
    found = [modality for modality, known in _MODALITIES.items() if words & set(known.split())]
    if len(found) != 1:
        refusals.refuse(
            place,
            repr(name),
            "write its modality there, CT, MRI, PET or US: only plans.json decides on numbers",
        )
    return found[0]


def _intensity(plans: Plans, configuration: Configuration, number: int, refusals: Refusals) -> Intensity:
    scheme = configuration.normalization_schemes[number]
    if scheme == "ZScoreNormalization":
        return ZScore(region=Region.INSIDE if configuration.use_mask_for_norm[number] else Region.ALL)
    if scheme == "NoNormalization":
        return FixedScale()
    if scheme == "RescaleTo01Normalization":
        return PercentileScale(low=0.0, high=100.0)
    if scheme == "RGBTo01Normalization":
        return FixedScale(std=_RGB_WHITE)
    if scheme != "CTNormalization":
        refusals.refuse(f"{PLANS}#normalization_schemes#{number}", scheme, "medpipe does not know it")
    place = f"{PLANS}#foreground_intensity_properties_per_channel#{number}"
    known = plans.foreground_intensity_properties_per_channel.get(str(number))
    if known is None:
        refusals.refuse(place, "nothing", "CT is normalised by them")
    if known.percentile_00_5 >= known.percentile_99_5:
        refusals.refuse(place, known.percentile_99_5, "the percentiles must rise")
    return FixedScale(
        clip=(known.percentile_00_5, known.percentile_99_5), mean=known.mean, std=max(known.std, _LEAST_STD)
    )


def _orientation(plans: Plans, refusals: Refusals) -> Orientation:
    """Return the axes of the network's input: readers give z, y, x, which the plans may permute."""
    i, j, k = (2 - axis for axis in plans.transpose_forward)
    if plans.image_reader_writer in _AS_THEY_LIE:
        return i, j, k
    if plans.image_reader_writer not in _TURNED_TO_RAS:
        known = ", ".join(sorted(_AS_THEY_LIE | _TURNED_TO_RAS))
        refusals.refuse(f"{PLANS}#image_reader_writer", plans.image_reader_writer, f"medpipe knows {known}")
    return "".join("RAS"[axis] for axis in (i, j, k))
