"""Weight files of other toolkits: tensors and plain data, and nothing that runs."""

import io
import pickle
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from medpipe.zoo.foreign.refusals import Refusals, RefusedItemError

_MISFITS_SHOWN: Final = 3
_NAMED: Final = re.compile(r"GLOBAL ([\w.]+)")
"""What torch says of a class or function that it does not load."""


def load_data(content: bytes, place: str, refusals: Refusals, *, allowed: Sequence[Any] = ()) -> Any:
    """Read what ``torch.save`` wrote.

    Args:
        content: The file.
        place: Its name.
        refusals: Notes what is refused.
        allowed: Classes and functions that rebuild plain values, beside those of tensors; a pair adds the
            name under which older files know one.

    Raises:
        RefusedItemError: It holds anything else, or is damaged.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = _NAMED.search(str(error))
        found = named[1] if named else "code"
        refusals.refuse(place, found, "only tensors are read: do not use this file")
    except Exception as error:  # whatever a damaged archive makes torch say
        refusals.refuse(place, f"{type(error).__name__}: {error}", "save the network's state_dict there")


def check_fit(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], place: str, refusals: Refusals
) -> None:
    """Check that weights have the names and shapes of a network.

    Args:
        expected: State of the network.
        found: By the same names.
        place: Name of the weight file.
        refusals: Notes the first that do not fit.

    Raises:
        RefusedItemError: They are not those of the network.
    """
    misfits = [
        name
        for name in sorted(expected.keys() | found.keys())
        if _shape(expected, name) != _shape(found, name)
    ]
    for name in misfits[:_MISFITS_SHOWN]:
        shapes = f"{_shape(found, name)}, expected {_shape(expected, name)}"
        key = f"{place} {name.removeprefix('network.')}"
        refusals.add(key, shapes, f"one of {len(misfits)} that do not fit the network")
    if misfits:
        raise RefusedItemError(place)


def _shape(state: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(state[name].shape)) if name in state else "nothing"
