"""What was done to a copy, in words for people."""

from collections.abc import Iterator
from math import exp

from medpipe.core.body_axes import BodyAxis
from medpipe.transforms.augment import Record
from medpipe.transforms.draws import AffineDraw, Lattice

_SHOWN_DEG = 0.05
_AXIS: dict[BodyAxis, str] = {
    "left_right": "left-right",
    "front_back": "front-back",
    "head_foot": "head-foot",
}


def describe(record: Record, *, unit: str = "mm") -> tuple[str, ...]:
    """Return one short line, in ASCII, for each thing that was done; ``("as it was",)`` where none was.

    Args:
        record: Of the copy.
        unit: Of the lattice's spacing.
    """
    draw, lattice = record.draw, record.lattice
    lines = [f"mirrored {_along(lattice, axis)}" for axis in draw.flips]
    if draw.affine is not None:
        lines += _affine_lines(draw.affine, lattice, unit)
    if draw.elastic is not None:
        lines.append(f"bent by up to {draw.elastic.strength:.1f} {unit}")
    lines += _intensity_lines(record)
    if draw.low_resolution is not None:
        coarse = [
            f"{factor:.1f}x {_along(lattice, axis)}"
            for axis, factor in enumerate(draw.low_resolution)
            if factor > 1
        ]
        lines.append("coarser " + ", ".join(coarse))
    if draw.dropout:
        lines.append(f"{len(draw.dropout)} box{'es' if len(draw.dropout) > 1 else ''} blanked")
    return tuple(lines) or ("as it was",)


def _affine_lines(affine: AffineDraw, lattice: Lattice, unit: str) -> Iterator[str]:
    turns = [
        f"{angle:+.1f} {_along(lattice, axis)}"
        for axis, angle in enumerate(affine.rotation_deg)
        if abs(angle) >= _SHOWN_DEG
    ]
    if turns:
        yield "turned (degrees) " + ", ".join(turns)
    moving = [axis for axis in range(3) if lattice.moving[axis]]
    yield "size " + " x ".join(f"{affine.scale[axis]:.0%}" for axis in moving)
    yield "moved " + " / ".join(f"{affine.shift[axis]:+.1f}" for axis in moving) + f" {unit}"
    steepest = max(map(abs, affine.shear_deg))
    if steepest >= _SHOWN_DEG:
        yield f"sheared by up to {steepest:.1f} degrees"


def _intensity_lines(record: Record) -> Iterator[str]:
    draw = record.draw
    if draw.bias_field is not None:
        yield f"coil field of up to {exp(draw.bias_field.strength):.2f}x"
    if draw.gamma is not None:
        yield f"gamma {draw.gamma:.2f}"
    if draw.contrast is not None:
        yield f"contrast {draw.contrast:.0%}"
    if draw.brightness is not None:
        yield f"brightness {_amount(draw.brightness, record, '+')}"
    if draw.noise is not None:
        yield f"noise {_amount(draw.noise.std, record)}"


def _amount(value: float, record: Record, sign: str = "") -> str:
    if record.recipe.units == "range":
        return f"{value:{sign}.1%} of the range"
    return f"{value:{sign}.1f}{' HU' if record.recipe.modality == ('CT',) else ''}"


def _along(lattice: Lattice, axis: int) -> str:
    return _AXIS[lattice.body_axis(axis)]
