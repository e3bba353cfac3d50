"""The planner: from the fingerprint of a data set to a training recipe that a person can edit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
import yaml

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.preprocessing import MAX_PATCH_VOXELS, Shape3
from medpipe.data.fingerprint import ORIENTATION, ChannelFacts, Fingerprint
from medpipe.training.segmentation.recipe import TrainingRecipe

_BASE_CHANNELS: Final = 16
_MAX_LEVELS: Final = 5
"""With 16 channels at the finest level: 5.6 million parameters, what a package may have."""

_MIN_BOTTOM: Final = 4
"""Voxels of a patch that the coarsest level keeps along every axis."""

_BYTES_A_FEATURE: Final = 57
"""Memory of a training step for each voxel and channel of the finest level.

nnU-Net's default plan (two patches of 128 x 128 x 128, 32 channels) needs 7.7 GB (its documentation,
resenc_presets.md).
"""

_MIN_BATCH, _MAX_BATCH = 2, 8
_ANISOTROPY: Final = 3.0
"""Of the spacing, from which on the coarse axis is planned finer than its median (as nnU-Net does)."""

_COARSE_PERCENTILE: Final = 10.0
_BLANK_SHARE: Final = 0.25
"""Share of zeros from which on they count as no tissue, and leave the statistics (as nnU-Net does)."""

_CROP_MM: Final = 100.0
"""Field of view below which an MR shows tissue up to its rim."""

_HALVINGS: Final = 40
"""Of the search for the largest patch: to far below a voxel."""

_WIDTH: Final = 110
"""Characters of a line of a recipe."""


@dataclass(frozen=True)
class Plan:
    """A recipe and why it is as it is.

    Attributes:
        recipe: Valid, with every value written out.
        reasons: Why, by key of the recipe such as ``"preprocessing.spacing_mm"``.
    """

    recipe: TrainingRecipe
    reasons: Mapping[str, str]

    def text(self) -> str:
        """Return the recipe as YAML, each reason beside its key."""
        lines = []
        part = ""
        data = self.recipe.model_dump(mode="json", exclude_none=True)
        for line in yaml.dump(data, Dumper=_RecipeDumper, sort_keys=False, width=_WIDTH).splitlines():
            key = line.split(":")[0]
            part = part if line.startswith((" ", "-")) else key
            reason = self.reasons.get(part if key == part else f"{part}.{key.strip()}")
            lines.append(f"{line}  # {reason}" if reason else line)
        return "\n".join(lines) + "\n"


class _RecipeDumper(yaml.SafeDumper):
    """Writes short lists, codes and intensities in one line, all else key by key."""

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        is_flat = all(isinstance(item, int | float | str) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=is_flat)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, flow_style="scheme" in mapping or "kind" in mapping)


def plan_segmentation(
    fingerprint: Fingerprint,
    *,
    name: str,
    label_names: Mapping[int, str],
    modality: str = "",
    memory_gb: float = 8.0,
    steps: int = 10_000,
) -> Plan:
    """Plan a training.

    Args:
        fingerprint: Of the data set.
        name: Of the model that comes out.
        label_names: Name of each label value.
        modality: Of images whose files state none.
        memory_gb: What a training step may take.
        steps: Optimiser steps.

    Raises:
        SettingsError: No label, unnamed labels, or a modality that nobody states.

    Source:
        The rules are those of Isensee et al. 2021, "nnU-Net", supplementary note 2, on a network whose
        levels halve every axis.
    """
    spacing = _target_spacing(fingerprint.spacings_mm)
    shape = np.median(np.round(fingerprint.shapes * fingerprint.spacings_mm / spacing), axis=0)
    patch, levels, batch = _fit_patch(shape, spacing, memory_gb)
    channels = [
        {"name": channel, "modality": facts.modality or modality, "intensity": _intensity(facts, modality)}
        for channel, facts in fingerprint.channels.items()
    ]
    kinds = {str(channel["modality"]) for channel in channels}
    _check_modalities(kinds)
    widths = [_BASE_CHANNELS * 2**level for level in range(levels)]
    recipe = TrainingRecipe.model_validate(
        {
            "name": _slug(name, "-"),
            "labels": _labels(fingerprint, label_names),
            "preprocessing": {
                "channels": channels,
                "orientation": ORIENTATION,
                "spacing_mm": [round(float(step), 3) for step in spacing],
                "patch_shape": patch,
                "multiple_of": 2 ** (levels - 1),
            },
            "network": {"name": "unet", "arguments": {"channels": widths}},
            "sampling": {"foreground_share": 0.33, "augmentation": _augmentation(kinds, shape * spacing)},
            "schedule": {"steps": steps, "steps_per_epoch": _divisor(steps, 100), "batch_size": batch},
        }
    )
    words = " x ".join(f"{size:g}" for size in shape)
    return Plan(
        recipe,
        {
            "preprocessing.spacing_mm": f"median of {fingerprint.num_cases} cases{_fine_note(fingerprint)}",
            "preprocessing.patch_shape": f"the median image is {words} voxels at that spacing",
            "preprocessing.multiple_of": f"{levels} levels, each halves the grid",
            "sampling.augmentation": "see 'medpipe augment'; empty for none",
            "schedule.steps": "more steps, better results, until the curve is flat",
            "schedule.batch_size": f"estimated to need up to {memory_gb:g} GB",
        },
    )


def parse_label_names(texts: Sequence[str]) -> dict[int, str]:
    """Read names of labels given as ``value=name``.

    Raises:
        SettingsError: One is no such pair.
    """
    names = {}
    for text in texts:
        value, equals, name = text.partition("=")
        if not (equals and value.strip().isdecimal() and name.strip()):
            raise SettingsError(
                Code.E_SETTINGS, "A label is named as value=name", found=repr(text), fix="Such as 1=liver."
            )
        names[int(value)] = name.strip()
    return names


def _target_spacing(spacings_mm: Array) -> Array:
    """Return the median spacing; along a far coarser axis one that loses less of the finer cases."""
    spacing: Array = np.median(spacings_mm, axis=0)
    coarse = int(spacing.argmax())
    others = np.delete(spacing, coarse)
    if spacing[coarse] > _ANISOTROPY * others.max():
        fine = float(np.percentile(spacings_mm[:, coarse], _COARSE_PERCENTILE))
        spacing[coarse] = max(fine, float(others.max()))
    return spacing


def _fine_note(fingerprint: Fingerprint) -> str:
    median = np.median(fingerprint.spacings_mm, axis=0)
    is_finer = not np.allclose(median, _target_spacing(fingerprint.spacings_mm))
    return ", the coarse axis finer" if is_finer else ""


def _fit_patch(shape: Array, spacing: Array, memory_gb: float) -> tuple[Shape3, int, int]:
    """Return the largest patch that covers as many mm along each axis, its levels and the batch."""
    features = memory_gb * 1e9 / (_BYTES_A_FEATURE * _BASE_CHANNELS)
    largest = min(features / _MIN_BATCH, MAX_PATCH_VOXELS)
    low, high = 0.0, float((shape * spacing).max()) + 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fits = prod(_patch_of(shape, middle / spacing)[0]) <= largest
        low, high = (middle, high) if fits else (low, middle)
    (i, j, k), levels = _patch_of(shape, low / spacing)
    return (i, j, k), levels, int(np.clip(features / (i * j * k), _MIN_BATCH, _MAX_BATCH))


def _patch_of(shape: Array, reach: Array) -> tuple[Shape3, int]:
    """Return a patch of at most ``reach`` voxels, a whole image where it is smaller, and its levels."""
    wanted = np.maximum(np.minimum(shape, reach), 1.0)
    levels = int(np.clip(np.floor(np.log2(wanted.min() / _MIN_BOTTOM)) + 1, 2, _MAX_LEVELS))
    unit = 2 ** (levels - 1)
    sizes = np.where(reach >= shape, np.ceil(shape / unit), np.floor(wanted / unit)) * unit
    i, j, k = (int(size) for size in np.maximum(sizes, 2 * unit))
    return (i, j, k), levels


def _intensity(facts: ChannelFacts, modality: str) -> dict[str, Any]:
    if (facts.modality or modality) == "CT":
        low = round(facts.low)
        return {"kind": "window", "low_hu": low, "high_hu": max(round(facts.high), low + 1)}
    return {"kind": "zscore", "region": "nonzero" if facts.zero_share > _BLANK_SHARE else "all"}


def _check_modalities(modalities: set[str]) -> None:
    if "" in modalities:
        raise SettingsError(
            Code.E_SETTINGS,
            "The files do not state one modality, and intensities are planned by it",
            fix="Give it, such as --modality MR.",
        )


def _augmentation(modalities: set[str], extent_mm: Array) -> str:
    if modalities == {"MR"}:
        return "mr-crop" if extent_mm.max() < _CROP_MM else "mr"
    return "ct" if modalities == {"CT"} else ""


def _labels(fingerprint: Fingerprint, names: Mapping[int, str]) -> list[dict[str, Any]]:
    found = sorted(fingerprint.label_cases)
    if not found:
        raise SettingsError(
            Code.E_DATASET, "The masks hold no label, so there is nothing to learn", fix="Check the masks."
        )
    if found != list(range(1, len(found) + 1)):
        raise SettingsError(
            Code.E_LABEL,
            "Label values must be 1, 2, 3 ... in order",
            found=", ".join(map(str, found)),
            fix="Renumber the masks.",
        )
    unnamed = [value for value in found if value not in names]
    if unnamed:
        raise SettingsError(
            Code.E_LABEL,
            "Every label needs a name",
            found=f"none for {', '.join(map(str, unnamed))}",
            fix=f"Give it, such as --label {unnamed[0]}=liver.",
        )
    return [
        {
            "value": value,
            "name": _slug(names[value], "_"),
            "code": {"scheme": "99MEDPIPE", "value": _slug(names[value], "_"), "meaning": names[value]},
        }
        for value in found
    ]


def _slug(text: str, joint: str) -> str:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return joint.join(words) or "model"


def _divisor(steps: int, wanted: int) -> int:
    """Return the largest divisor of ``steps`` up to ``wanted``."""
    return next(size for size in range(min(wanted, steps), 0, -1) if steps % size == 0)
