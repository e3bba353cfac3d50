"""Cases to learn from: images by channel, a mask, and whose they are."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError

SINGLE_CHANNEL: Final = "image"
"""Name of the channel of data sets that have one only, so that they share recipes."""

Fact = str | float

_ID: Final = re.compile(r"[^\W_][\w.+-]{0,99}")
_SHOWN: Final = 5


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
        if not _ID.fullmatch(self.id):
            raise SettingsError(
                Code.E_DATASET,
                "A case id cannot name a file",
                found=repr(self.id[:100]),
                fix="Use up to 100 letters, digits and _ . + -, the first a letter or digit.",
            )
        if not self.images:
            raise SettingsError(Code.E_DATASET, f"Case {self.id} has no image")

    @property
    def owner(self) -> str:
        """The patient, or the case itself where the patient is unknown."""
        return self.patient or self.id


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
        if not self.cases:
            raise NoInputError(
                Code.E_NO_INPUT,
                f"The data set {self.name} is empty",
                found="no case",
                fix="Check the path: a data set needs at least one image with its mask.",
            )
        object.__setattr__(self, "cases", tuple(sorted(self.cases, key=lambda case: case.id)))
        self._check_ids()
        self._check_channels()
        self._check_shared_images()

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, the same in every case."""
        return tuple(self.cases[0].images)

    def select(self, ids: Collection[str]) -> tuple[SegmentationCase, ...]:
        """Return the cases of some ids, sorted by id.

        Raises:
            SettingsError: An id is not in the data set (``E_DATASET``).
        """
        known = {case.id: case for case in self.cases}
        for case_id in sorted(ids):
            if case_id not in known:
                raise SettingsError(
                    Code.E_DATASET,
                    f"The data set {self.name} has no case {case_id!r}",
                    fix=f"Its ids are {listed(known)}.",
                )
        return tuple(known[case_id] for case_id in sorted(set(ids)))

    def _check_ids(self) -> None:
        twice = [case_id for case_id, count in Counter(case.id for case in self.cases).items() if count > 1]
        if twice:
            raise SettingsError(
                Code.E_DATASET,
                f"Case ids must differ in the data set {self.name}",
                found=f"{listed(twice)} more than once",
                fix="Rename or remove the copies.",
            )

    def _check_channels(self) -> None:
        for case in self.cases:
            if set(case.images) != set(self.channels):
                raise SettingsError(
                    Code.E_DATASET,
                    f"Case {case.id} has other channels than case {self.cases[0].id}",
                    found=f"{', '.join(sorted(case.images))}, expected {', '.join(sorted(self.channels))}",
                    fix="Give every case the same channels.",
                )

    def _check_shared_images(self) -> None:
        """Refuse one image under two owners: a split would put it on both sides."""
        first: dict[Path, SegmentationCase] = {}
        for case in self.cases:
            for path in case.images.values():
                other = first.setdefault(path, case)
                if other.owner != case.owner:
                    raise SettingsError(
                        Code.E_DATASET,
                        f"Cases {other.id} and {case.id} share an image but no patient",
                        found=path.name,
                        fix="Give both the same patient id, or remove one of them.",
                    )


def listed(names: Iterable[object]) -> str:
    """Return the first names and how many more there are."""
    words = [str(name) for name in names]
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
