"""Reading the slices of a study, and the keys by which its labels name them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import SourceKind
from medpipe.data.members import listed
from medpipe.data.reading import naming
from medpipe.data.studies import StudyCase
from medpipe.io.dicom.read import read_dicom
from medpipe.io.load import read_series
from medpipe.io.series import Form, Series, Trait
from medpipe.io.tree import index_tree

SET_ASIDE: Final = frozenset({Trait.LOCALIZER, Trait.DERIVED, Trait.SECONDARY})
"""Traits that keep a series out where there is another."""


SEPARATOR: Final = "|"
"""Between the names of one slice, or of the slices of one slab; no UID holds it."""


class StudySlices(NamedTuple):
    """A study as its files have it.

    Attributes:
        stack: In physical order, ascending along the normal of the slices.
        keys: What names each slice, see :func:`slice_keys`.
    """

    stack: SliceStack
    keys: tuple[str, ...]


def read_study(case: StudyCase, *, workers: int | None = 1) -> StudySlices:
    """Read and check the slices of a study, uneven spacing included.

    Args:
        case: Its files hold one series of slices; localisers, derived series and radiographs beside it are
            set aside.
        workers: Files read at a time; as many as there are usable cores where None.

    Raises:
        RefusedError: The files cannot be read (with the code of the reader, or ``E_UNREADABLE``), or hold
            none (``E_NO_MATCH``) or several such series (``E_AMBIGUOUS``); the message names the case.
    """
    with naming(case.id):
        studies = index_tree(case.roots, workers=workers).studies
        series = _only_series(series for study in studies for series in study.series)
        if series.kind is SourceKind.DICOM:  # the hash takes a third of the time, and nobody asks for it here
            stack = read_dicom(series, form=Form.SLICES, workers=workers, hash_files=False)
        else:
            stack = read_series(series, form=Form.SLICES, workers=workers)
    assert isinstance(stack, SliceStack)  # what the form SLICES gives
    return StudySlices(stack, slice_keys(stack))


def slice_keys(stack: SliceStack) -> tuple[str, ...]:
    """Return what names each slice: a SOPInstanceUID of its own where it has one, and its number from 0."""
    numbers = tuple(map(str, range(stack.num_slices)))
    uids = tuple(instance.sop_instance_uid for instance in stack.source.instances)
    if all(uids) and len(uids) == len(set(uids)) == stack.num_slices:
        return tuple(map(SEPARATOR.join, zip(uids, numbers, strict=True)))
    return numbers


def joined_keys(keys: Sequence[str], members: Sequence[int]) -> tuple[str, ...]:
    """Return the keys of slabs: all names of the slices that each is made of.

    Args:
        keys: Of each slice.
        members: The slab of each slice; slabs are numbered from 0, and none is empty.
    """
    slabs: list[list[str]] = [[] for _ in range(max(members) + 1)]
    for key, slab in zip(keys, members, strict=True):
        slabs[slab].append(key)
    return tuple(map(SEPARATOR.join, slabs))


def is_candidate(series: Series) -> bool:
    """Whether a series has slices and no trait that sets it aside."""
    return series.form is not Form.PLANAR and not series.traits & SET_ASIDE


def _only_series(series: Iterable[Series]) -> Series:
    stacked = [item for item in series if item.form is not Form.PLANAR]
    candidates = [item for item in stacked if is_candidate(item)] or stacked
    if len(candidates) != 1:
        raise RefusedError(
            Code.E_AMBIGUOUS if candidates else Code.E_NO_MATCH,
            "A study to learn from takes one series of slices",
            found=listed(f"{item.modality or 'image'} of {item.num_slices} slices" for item in candidates)
            or "none",
            fix="Name the file, or the folder of one series.",
        )
    return candidates[0]
