"""Cases to learn from: images by channel, a mask, and whose they are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.members import Fact, check_id, check_owners, chosen, in_order

SINGLE_CHANNEL: Final = "image"
"""Name of the channel of data sets that have one only, so that they share recipes."""


@dataclass(frozen=True)
class SegmentationCase:
    """Files of one case.

    Attributes:
        id: Unique in its data set; letters, digits, ``_ . + -``, because files are named by it.
        images: Absolute path by channel name: a file, or a folder that holds one DICOM series.
        mask: Absolute path of the label map; None where there is none.
        patient: Whose it is, in the data set's own words; empty where unknown.
        facts: Further columns of its table, by column name; missing cells are left out.
    """

    id: str
    images: Mapping[str, Path]
    mask: Path | None = None
    patient: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_id(self.id)
        if not self.images:
            raise SettingsError(Code.E_DATASET, f"Case {self.id} has no image")

    @property
    def owner(self) -> str:
        """The patient, or the case itself where the patient is unknown."""
        return self.patient or self.id

    @property
    def strata(self) -> Mapping[str, Fact]:
        """What splits may spread evenly: the facts."""
        return self.facts


@dataclass(frozen=True)
class CaseSet:
    """A data set: cases with the same channels, checked and sorted by id.

    Attributes:
        name: What people call it.
        cases: At least one, with different ids.
        label_names: Name of each label value as the source states it, without the background; may be empty.
        licence: As the source states it; may be empty.

    Raises:
        NoInputError: There is no case.
        SettingsError: An id stands twice, channels differ, or patients share an image (``E_DATASET``).
    """

    name: str
    cases: tuple[SegmentationCase, ...]
    label_names: Mapping[int, str] = field(default_factory=dict)
    licence: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cases", in_order(self.name, self.cases))
        self._check_channels()
        check_owners((path, path.name, case) for case in self.cases for path in case.images.values())

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, the same in every case."""
        return tuple(self.cases[0].images)

    def select(self, ids: Collection[str]) -> tuple[SegmentationCase, ...]:
        """Return the cases of some ids, sorted by id.

        Raises:
            SettingsError: An id is not in the data set (``E_DATASET``).
        """
        return chosen(self.name, self.cases, ids)

    def _check_channels(self) -> None:
        for case in self.cases:
            if set(case.images) != set(self.channels):
                raise SettingsError(
                    Code.E_DATASET,
                    f"Case {case.id} has other channels than case {self.cases[0].id}",
                    found=f"{', '.join(sorted(case.images))}, expected {', '.join(sorted(self.channels))}",
                    fix="Give every case the same channels.",
                )
