"""Labels: what each value of a label map means."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from medpipe.core.findings import CodedConcept, Laterality, Value

BACKGROUND: Final = 0
"""Value of the voxels that belong to no structure; it has no label."""


MAX_LABEL: Final = 255
"""Largest value of a label map, which is uint8."""


def _fits_label_maps(value: int) -> int:
    if value > MAX_LABEL:
        raise ValueError(
            f"label maps are uint8 and hold {MAX_LABEL} structures at most: merge some, or train two models"
        )
    return value


class LabelSpec(Value):
    """One structure of a label map.

    Attributes:
        value: Its voxels' value; label maps are uint8, 0 is background. It is also the channel of the
            network's logits.
        name: Short name for files, tables and shell output, such as ``"hippocampus_anterior"``.
        code: What it is, coded; its meaning is what people read.
        laterality: Side that the structure always has; None where it has none or where the crop decides.
    """

    value: Annotated[int, Field(ge=1), AfterValidator(_fits_label_maps)]
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    code: CodedConcept
    laterality: Laterality | None = None


def _consecutive(labels: tuple[LabelSpec, ...]) -> tuple[LabelSpec, ...]:
    values = [label.value for label in labels]
    if values != list(range(1, len(labels) + 1)):
        raise ValueError(f"label values must be 1, 2, 3 ... in order, found {values}")
    if len({label.name for label in labels}) < len(labels):
        raise ValueError(f"label names must differ, found {[label.name for label in labels]}")
    return labels


Labels = Annotated[tuple[LabelSpec, ...], AfterValidator(_consecutive)]
"""The structures of one label map: values 1, 2, 3 ... in order, names all different."""
