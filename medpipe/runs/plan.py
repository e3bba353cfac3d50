"""The plan of a run: its units of work, and the parts that machines may share them out in."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from medpipe.core.settings import parse_part
from medpipe.io.series import Skipped
from medpipe.runs.unit import Unit


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count`` parts of the units."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``i/n``.

        Raises:
            SettingsError: It is no such pair, or ``i`` is not in 1 to ``n``.
        """
        return cls(*parse_part(text, noun="shard", total="n"))

    def holds(self, unit_id: str, number: int | None = None) -> bool:
        """Whether a unit belongs to this part; the same on every machine.

        Args:
            unit_id: Its id.
            number: Its place among all units, where that stays: a few shards are shared out evenly then.
        """
        if number is None:
            number = int.from_bytes(hashlib.sha256(unit_id.encode()).digest()[:8])
        return number % self.count == self.index - 1


WHOLE: Final = Shard()
"""The only part there is."""


class UnitKind(StrEnum):
    """What the units of a run are, as people call them."""

    STUDY = "study"
    SHARD = "shard"
    """Of patients."""

    @property
    def plural(self) -> str:
        """Several of them."""
        return "studies" if self is UnitKind.STUDY else "shards"


@dataclass(frozen=True)
class Plan:
    """The units of a run.

    Attributes:
        units: Ordered by id.
        skipped: Files that hold nothing to work on, with reasons.
        num_files: All files that were seen.
        bytes_to_read: Size of the files that will be read.
        largest_image_bytes: Memory of the largest image as float32; 0 without images.
        num_patients: Patients of all shards; None where units are studies.
        kind: What the units are.
    """

    units: tuple[Unit, ...]
    skipped: tuple[Skipped, ...] = ()
    num_files: int = 0
    bytes_to_read: int = 0
    largest_image_bytes: int = 0
    num_patients: int | None = None
    kind: UnitKind = UnitKind.STUDY

    @property
    def num_refused(self) -> int:
        """Units that are refused before anything of them is read."""
        return sum(unit.refusal is not None for unit in self.units)
