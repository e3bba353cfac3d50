"""Flags of a segmentation: what a reader must know before the volumes are believed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from medpipe.core.codes import Code
from medpipe.core.findings import Measurement, QualityFlag, Structure, flag
from medpipe.core.labels import LabelSpec

if TYPE_CHECKING:
    from medpipe.inference.segmenter import Segmentation

_NOTEWORTHY_CHANGE: Final = 0.1
"""Part of a structure's voxels; crumbs and pinholes are less."""


def segmentation_flags(
    merged: "Segmentation", found: Sequence[Structure | Measurement], labels: Sequence[LabelSpec]
) -> tuple[QualityFlag, ...]:
    """Return the flags of one label map.

    Args:
        merged: What the segmenter gave.
        found: The structures of all labels first.
        labels: Labels of the package.
    """
    first = found[0]
    return tuple(
        flag(code, message, found=seen, source=first.source, made_by=first.made_by)
        for code, message, seen in (*_missing(found), *_changed(merged, labels), *_short_of_memory(merged))
    )


def _missing(found: Sequence[Structure | Measurement]) -> Iterator[tuple[Code, str, str]]:
    """Say where structures have no voxel: a volume of 0 must not pass for a measurement."""
    absent = [item.code.meaning for item in found if isinstance(item, Structure) and not item.volume_ml]
    if absent:
        message = "Nothing of a structure was found, or kept: its volume of 0 says nothing of the patient"
        yield Code.W_NOT_FOUND, message, ", ".join(absent)


def _changed(merged: "Segmentation", labels: Sequence[LabelSpec]) -> Iterator[tuple[Code, str, str]]:
    """Say where cleaning changed a structure by more than crumbs and pinholes."""
    names = {label.value: label.code.meaning for label in labels}
    changes = [
        f"{names[change.value]}: {change.removed} of {change.before} voxels removed, {change.added} added"
        for change in merged.changes
        if change.share >= _NOTEWORTHY_CHANGE
    ]
    if changes:
        message = "Much of what the model outlined was dropped or filled: look at the outlines"
        yield Code.W_CLEANED, message, "; ".join(changes)


def _short_of_memory(merged: "Segmentation") -> Iterator[tuple[Code, str, str]]:
    """Say where memory did not suffice: labels may differ by rounding."""
    from medpipe.inference.memory import MemoryStep

    if merged.memory_step is not MemoryStep.FULL:
        message = "Memory did not suffice, so the image was predicted in smaller steps"
        yield Code.W_MEMORY, message, str(merged.memory_step)
