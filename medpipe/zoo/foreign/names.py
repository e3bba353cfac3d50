"""Names of channels and classes of foreign models in medpipe's terms."""

import re
from collections.abc import Sequence
from typing import Final

from medpipe.core.findings import CodedConcept
from medpipe.core.labels import LabelSpec
from medpipe.zoo.foreign.refusals import Refusals

_MAX_LABELS: Final = 255
_OWN: Final = "99MEDPIPE"


def labels_of(names: Sequence[str], place: str, refusals: Refusals) -> tuple[LabelSpec, ...]:
    """Return the labels of classes; their codes are medpipe's own, as a foreign model has none.

    Args:
        names: Of the classes behind the background, in order.
        place: Where they stand.
        refusals: Notes what is refused.

    Raises:
        RefusedItemError: There are none or too many, or two have one name.
    """
    if not 1 <= len(names) <= _MAX_LABELS:
        refusals.refuse(
            place, f"{len(names)} classes", f"label maps are uint8: 1 to {_MAX_LABELS} beside the background"
        )
    short = [plain_name(name) for name in names]
    if twice := next((name for name in short if short.count(name) > 1), None):
        refusals.refuse(place, f"{twice!r} twice", "give each class its own name")
    return tuple(
        LabelSpec(value=value, name=name, code=CodedConcept(scheme=_OWN, value=name, meaning=meaning))
        for value, (name, meaning) in enumerate(zip(short, names, strict=True), start=1)
    )


def plain_name(text: str) -> str:
    """Return a name of small letters, digits and underscores that begins with a letter."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:56]
    return name if name[:1].isalpha() else f"class_{name}".rstrip("_")
