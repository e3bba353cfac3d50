"""Faults of many cases in one message."""

from collections.abc import Mapping
from typing import NoReturn

from medpipe.core.errors import MedpipeError
from medpipe.data.members import listed


def raise_first(faults: Mapping[str, MedpipeError], num_cases: int) -> NoReturn:
    """Raise the first fault and say how many cases have one, and which.

    Args:
        faults: At least one, by case id.
        num_cases: Cases that were looked at.
    """
    first = next(iter(faults.values()))
    count = f"{len(faults)} of {num_cases} cases at fault: {listed(faults)}"
    raise type(first)(
        first.code, first.what, found=f"{first.found} ({count})" if first.found else count, fix=first.fix
    ) from first
