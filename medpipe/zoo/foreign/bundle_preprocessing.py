"""A bundle's preprocessing: MONAI's dictionary transforms, one by one, in medpipe's order.

That order is orientation and spacing, intensity, cropping, padding, joining of channels.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from medpipe.zoo.foreign.bundle_config import BundleConfig
from medpipe.zoo.foreign.bundle_geometry import GEOMETRIC, UNCHANGING
from medpipe.zoo.foreign.bundle_intensities import INTENSITIES
from medpipe.zoo.foreign.bundle_steps import Reader, Steps
from medpipe.zoo.foreign.component import Component
from medpipe.zoo.foreign.refusals import Refusals

TRANSFORMS: Final = "monai.transforms"
_PREPROCESSING: Final = "preprocessing"
_READERS: Final[Mapping[str, Reader]] = {**UNCHANGING, **INTENSITIES, **GEOMETRIC}
_RANKS: Final[Mapping[str, int]] = {
    "Orientationd": 1,
    "Spacingd": 1,
    **dict.fromkeys(INTENSITIES, 2),
    "CropForegroundd": 3,
    "SpatialPadd": 4,
    "DivisiblePadd": 5,
    "ConcatItemsd": 6,
}


def read_steps(config: BundleConfig, refusals: Refusals) -> Steps:
    """Read ``preprocessing``; refused transforms are noted and passed over."""
    steps = Steps()
    last = ""
    transforms = transforms_at(config, _PREPROCESSING, refusals)
    for transform in transforms:
        if (reader := _READERS.get(transform.name)) is None:
            refusals.add(f"{transform.place}#_target_", transform.name, _one_of(_READERS))
            continue
        if _RANKS.get(transform.name, 0) < _RANKS.get(last, 0) and transform.name in _RANKS:
            refusals.add(transform.place, f"{transform.name} after {last}", "medpipe does it before")
        last = transform.name if transform.name in _RANKS else last
        transform.read(partial(_read_step, reader, transform, steps))
    _check_whole({transform.name for transform in transforms}, steps, refusals)
    return steps


def transforms_at(config: BundleConfig, place: str, refusals: Refusals) -> list[Component]:
    """Return the transforms of a ``Compose`` that are not disabled; refused ones are noted."""
    found = []
    with refusals.collecting():
        compose = Component(config, config.at(place), place, refusals, package=TRANSFORMS)
        if compose.name != "Compose":
            refusals.refuse(f"{place}#_target_", compose.name, "write monai.transforms.Compose")
        key = f"{place}#transforms"
        items = config.at(key)
        for index, item in enumerate(items if isinstance(items, list) else [items]):
            with refusals.collecting():
                transform = Component(config, item, f"{key}#{index}", refusals, package=TRANSFORMS)
                # MONAI has three names for each dictionary transform.
                transform.name = re.sub(r"(?<=[a-z])(?:D|Dict)$", "d", transform.name)
                if not transform.is_disabled:
                    found.append(transform)
    return found


def _read_step(reader: Reader, transform: Component, steps: Steps) -> bool:
    try:
        _check_keys(transform, steps)
    finally:  # arguments are read in any case: what else is wrong with them belongs into the same message
        reader(transform, steps)
    return True


def _check_keys(transform: Component, steps: Steps) -> None:
    transform.ignore("allow_missing_keys", "lazy")
    keys = transform.take("keys", str | list[str])
    keys = (keys,) if isinstance(keys, str) else tuple(keys)
    if transform.name == "LoadImaged":
        steps.keys += keys
    steps.current = keys
    if transform.name in INTENSITIES:
        steps.scaled.update(keys)
    known = (steps.joined,) if steps.joined else steps.keys
    if unknown := [key for key in keys if key not in known]:
        transform.refuse("keys", unknown, f"the images at this step are {', '.join(known) or 'none'}")
    if transform.name in GEOMETRIC and set(keys) != set(known):
        transform.refuse("keys", list(keys), f"all images need the same step: {', '.join(known)}")


def _check_whole(names: set[str], steps: Steps, refusals: Refusals) -> None:
    """Note what is missing; what was refused has been noted."""
    needed = {
        "LoadImaged": "it names the images",
        "Orientationd": "name the axes of the files that the network was trained on",
    }
    if len(steps.keys) > 1:
        needed["ConcatItemsd"] = "join the images into one"
    for name in sorted(needed.keys() - names):
        refusals.add(f"{_PREPROCESSING} {name}", "none", needed[name])
    for key in steps.keys:
        if key not in steps.scaled:
            refusals.add(f"{_PREPROCESSING} of {key}", "no intensity step", _one_of(INTENSITIES))


def _one_of(names: Mapping[str, Any]) -> str:
    return f"medpipe knows {', '.join(sorted(names))}"
