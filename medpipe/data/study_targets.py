"""What a study is to be answered with, as arrays: labels of the study, labels of its slices, scores.

Letters: S slices, L labels, R scores.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.faults import raise_first
from medpipe.data.studies import StudyCase
from medpipe.data.study_reading import SEPARATOR
from medpipe.io.dicom.uids import safe_uid

Targets = npt.NDArray[np.float32]


class StudyTargets(NamedTuple):
    """Answers; NaN where unknown.

    Attributes:
        study_labels: ``(L,)`` in [0, 1].
        slice_labels: ``(S, L)`` in [0, 1].
        scores: ``(R,)``.
    """

    study_labels: Targets
    slice_labels: Targets
    scores: Targets


def targets_of(
    cases: Sequence[StudyCase],
    keys: Mapping[str, Sequence[str]],
    *,
    labels: Sequence[str],
    scores: Sequence[str] = (),
) -> tuple[StudyTargets, ...]:
    """Return the answers of each case, in the order of the cases.

    Args:
        cases: Labels and scores that are not asked for are passed over.
        keys: Of the slices of each case, by its id, in physical order.
        labels: Names of the labels.
        scores: Names of the scores.

    Raises:
        SettingsError: Labels are of slices that do not exist; names the first and how many cases are at fault
            (``E_DATASET``).
    """
    found, faults = [], {}
    for case in cases:
        try:
            found.append(_targets(case, keys[case.id], labels, scores))
        except SettingsError as error:
            faults[case.id] = error
    if faults:
        raise_first(faults, len(cases))
    return tuple(found)


def _targets(
    case: StudyCase, keys: Sequence[str], labels: Sequence[str], scores: Sequence[str]
) -> StudyTargets:
    slice_labels = np.full((len(keys), len(labels)), np.nan, dtype=np.float32)
    numbers = {name: number for number, key in enumerate(keys) for name in key.split(SEPARATOR)}
    for key, answers in case.slice_labels.items():
        number = _slice_number(case, key, numbers, keys)
        # What one slice of a slab shows, the slab shows.
        slice_labels[number] = np.fmax(slice_labels[number], _values(answers, labels))
    return StudyTargets(_values(case.labels, labels), slice_labels, _values(case.scores, scores))


def _slice_number(case: StudyCase, key: str, numbers: Mapping[str, int], keys: Sequence[str]) -> int:
    number = numbers.get(key, numbers.get(safe_uid(key)))
    if number is None:
        first, last = (keys[place].split(SEPARATOR)[0] for place in (0, -1))
        raise SettingsError(
            Code.E_DATASET,
            f"Case {case.id}: labels for slices that do not exist",
            found=f"slice {key!r} among {len(keys)} slices from {first!r} to {last!r}",
            fix="Name slices by SOPInstanceUID, or by number from 0 in physical order.",
        )
    return number


def _values(answers: Mapping[str, float], names: Sequence[str]) -> Targets:
    return np.array([answers.get(name, np.nan) for name in names], dtype=np.float32)
