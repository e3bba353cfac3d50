"""Volumes beyond those of single structures: what they are together, and how the sides differ."""

from collections.abc import Sequence
from typing import Final

from medpipe.core.findings import CodedConcept, Laterality, Measurement, Structure, Uncertainty

Volumes = Sequence[Structure | Measurement]

_OWN: Final = "99MEDPIPE"
_DIGITS: Final = 4


def total_volume(
    structures: Sequence[Structure], name: str, *, uncertainty: Uncertainty | None = None
) -> Measurement:
    """Return the volume of structures that are parts of one whole.

    Args:
        structures: Of one mask; at least one.
        name: What they are together, such as ``"hippocampus"``.
        uncertainty: Interval of the sum, where one is known.
    """
    first = structures[0]
    slug = name.lower().replace(" ", "_")
    side = f"{first.laterality} " if first.laterality else ""
    return Measurement(
        id=f"{first.made_by.name}/{first.mask}/{slug}_volume",
        code=CodedConcept(scheme=_OWN, value=slug, meaning=name.capitalize()),
        laterality=first.laterality,
        source=first.source,
        made_by=first.made_by,
        name=f"{side}{name} volume",
        value=round(sum(item.volume_ml for item in structures), _DIGITS),
        unit="mL",
        uncertainty=uncertainty,
    )


def asymmetries(left: Volumes, right: Volumes) -> tuple[Measurement, ...]:
    """Return the left minus the right volume of each structure in percent of their mean.

    Args:
        left: Structures and totals of the left side.
        right: The same of the right side, in any order.

    Returns:
        One measurement a pair, coded as the structure; none for what was found on neither side.
    """
    partners = {item.code: item for item in right}
    pairs = ((item, partners[item.code]) for item in left if item.code in partners)
    return tuple(
        Measurement(
            id=f"{one.made_by.name}/{one.code.value}_asymmetry",
            code=one.code,
            laterality=Laterality.BOTH,
            made_by=one.made_by,
            name=f"{one.code.meaning.lower()} asymmetry",
            value=round(100 * (_ml(one) - _ml(other)) / mean, 2),
            unit="%",
        )
        for one, other in pairs
        if (mean := (_ml(one) + _ml(other)) / 2) > 0
    )


def _ml(volume: Structure | Measurement) -> float:
    return volume.volume_ml if isinstance(volume, Structure) else volume.value
