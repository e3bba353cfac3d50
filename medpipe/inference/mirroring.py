"""Mirroring: the axes along which a package may predict mirror images of a scan too. Imports no torch."""

from collections.abc import Collection
from typing import Final

from medpipe.core.body_axes import BODY_AXES, BodyAxis, array_axis
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Orientation
from medpipe.zoo.manifest import SegmentationSpec

_SIDES: Final = (Laterality.LEFT, Laterality.RIGHT)


def mirrored_axes(package: SegmentationSpec, body_axes: Collection[BodyAxis]) -> tuple[int, ...]:
    """Return the axes of a network's input that are mirrored along axes of the body.

    Logits of mirror images are averaged class by class, so a class must not change its meaning in the
    mirror: left-right is refused where the package tells the sides apart.

    Args:
        package: Its orientation and labels.
        body_axes: Along which to mirror.

    Raises:
        SettingsError: A mirror image would show the package's structures on the other side, the network did
            not learn from such images, or only images show where these axes are.
    """
    if "left_right" in body_axes and (reason := _reason_against_left_right(package)):
        raise SettingsError(
            Code.E_SETTINGS,
            f"The package {package.name!r} must not be mirrored left to right",
            found=reason,
            fix="Leave left_right out of 'mirror'.",
        )
    axes = _array_axes(package.preprocessing.orientation, body_axes)
    learned = package.preprocessing.mirror_axes
    if learned is not None and not axes <= set(learned):
        raise SettingsError(
            Code.E_SETTINGS,
            f"The network of {package.name!r} did not learn from mirror images along all these axes",
            found=", ".join(body_axes),
            fix=f"Its input was mirrored along the axes {learned}: leave the others out of 'mirror'.",
        )
    return tuple(sorted(axes))


def _array_axes(orientation: Orientation, body_axes: Collection[BodyAxis]) -> set[int]:
    if isinstance(orientation, str):
        return {array_axis(orientation, axis) for axis in body_axes}
    if set(body_axes) not in (set(), set(BODY_AXES)):
        raise SettingsError(
            Code.E_SETTINGS,
            "A package that takes images as they lie is mirrored along all three axes or along none",
            found=", ".join(body_axes),
            fix=f"Mirror along {', '.join(BODY_AXES)}, or not at all.",
        )
    return set(range(3)) if body_axes else set()


def _reason_against_left_right(package: SegmentationSpec) -> str:
    """Return why left-right mirroring is wrong; empty where it is not."""
    if package.preprocessing.mirror_right:
        return "mirror_right: its network knows the left side only"
    sided = [label.name for label in package.labels if label.laterality in _SIDES]
    return f"labels of one side: {', '.join(sided)}" if sided else ""
