"""What data sets have in common, whatever is learnt from them: cases with ids, owners and facts."""

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError

Fact = str | float

_ID: Final = re.compile(r"[^\W_][\w.+-]{0,99}")
_SHOWN: Final = 5


class Member(Protocol):
    """A case of a data set, as far as splits look at it."""

    @property
    def id(self) -> str:
        """Unique in its data set, and fit to name a file."""

    @property
    def patient(self) -> str:
        """Whose it is; empty where unknown."""

    @property
    def owner(self) -> str:
        """The patient, or the case itself where the patient is unknown."""

    @property
    def strata(self) -> Mapping[str, Fact]:
        """What splits may spread evenly, by name."""


class MemberSet(Protocol):
    """A data set, as far as splits look at it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def cases(self) -> Sequence[Member]:
        """At least one, with different ids."""


MemberT = TypeVar("MemberT", bound=Member)


def check_id(case_id: str) -> None:
    """Refuse an id that cannot name a file.

    Raises:
        SettingsError: It has other characters than letters, digits and ``_ . + -`` (``E_DATASET``).
    """
    if not _ID.fullmatch(case_id):
        raise SettingsError(
            Code.E_DATASET,
            "A case id cannot name a file",
            found=repr(case_id[:100]),
            fix="Use up to 100 letters, digits and _ . + -, the first a letter or digit.",
        )


def in_order(name: str, cases: Iterable[MemberT]) -> tuple[MemberT, ...]:
    """Return the cases of a data set sorted by id.

    Raises:
        NoInputError: There is none.
        SettingsError: An id stands twice (``E_DATASET``).
    """
    ordered = tuple(sorted(cases, key=lambda case: case.id))
    if not ordered:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"The data set {name} is empty",
            found="no case",
            fix="Check the path: a data set needs at least one image with what is to be learnt from it.",
        )
    twice = [case_id for case_id, count in Counter(case.id for case in ordered).items() if count > 1]
    if twice:
        raise SettingsError(
            Code.E_DATASET,
            f"Case ids must differ in the data set {name}",
            found=f"{listed(twice)} more than once",
            fix="Rename or remove the copies.",
        )
    return ordered


def chosen(name: str, cases: Iterable[MemberT], ids: Collection[str]) -> tuple[MemberT, ...]:
    """Return the cases of some ids, sorted by id.

    Raises:
        SettingsError: An id is not in the data set (``E_DATASET``).
    """
    known = {case.id: case for case in cases}
    for case_id in sorted(ids):
        if case_id not in known:
            raise SettingsError(
                Code.E_DATASET,
                f"The data set {name} has no case {case_id!r}",
                fix=f"Its ids are {listed(known)}.",
            )
    return tuple(known[case_id] for case_id in sorted(set(ids)))


def check_owners(images: Iterable[tuple[Hashable, str, Member]]) -> None:
    """Refuse one image under two owners: a split would put it on both sides.

    Args:
        images: What names an image, a short name for the message, and its case.

    Raises:
        SettingsError: Names both cases (``E_DATASET``).
    """
    first: dict[Hashable, Member] = {}
    for image, shown, case in images:
        other = first.setdefault(image, case)
        if other.owner != case.owner:
            raise SettingsError(
                Code.E_DATASET,
                f"Cases {other.id} and {case.id} share an image but no patient",
                found=shown,
                fix="Give both the same patient id, or remove one of them.",
            )


def listed(names: Iterable[object]) -> str:
    """Return the first names and how many more there are."""
    words = [str(name) for name in names]
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
