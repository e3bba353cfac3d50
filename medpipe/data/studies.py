"""Studies to learn from: one series each, with answers about the study and about its slices."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import nearest
from medpipe.data.members import Fact, check_id, check_owners, chosen, in_order


@dataclass(frozen=True)
class StudyCase:
    """One series of slices and what is known of it; what is unknown is left out.

    Attributes:
        id: Unique in its data set; letters, digits, ``_ . + -``, because files are named by it.
        source: Absolute path of a folder of DICOM files, or of a file.
        files: Names inside the folder of the files of the series, where the folder holds more than that.
        patient: Whose it is, in the data set's own words; empty where unknown.
        labels: Of the study: 1 yes, 0 no, or the probability of yes.
        scores: Numbers to learn, such as ``midline_shift_mm``.
        slice_labels: Labels of a slice by its key: its SOPInstanceUID as the data set has it, or its number
            from 0 in physical order, ascending along the normal of the slices.
        facts: Further columns of its table.
    """

    id: str
    source: Path
    files: tuple[str, ...] = ()
    patient: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    slice_labels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_id(self.id)
        self._check_labels("", self.labels)
        for key, labels in self.slice_labels.items():
            self._check_labels(f", slice {key}", labels)
        for name, value in self.scores.items():
            if not math.isfinite(value):
                raise SettingsError(
                    Code.E_DATASET,
                    f"Case {self.id}: the score {name!r} is no finite number",
                    found=str(value),
                    fix="Leave out what is unknown.",
                )

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folder or file to read, or the files of the series where the folder holds more."""
        return tuple(self.source / name for name in self.files) or (self.source,)

    @property
    def owner(self) -> str:
        """The patient, or the case itself where the patient is unknown."""
        return self.patient or self.id

    @property
    def strata(self) -> Mapping[str, Fact]:
        """What splits may spread evenly: the facts and the labels of the study."""
        return {**self.facts, **self.labels}

    def _check_labels(self, where: str, labels: Mapping[str, float]) -> None:
        for name, value in labels.items():
            if not 0 <= value <= 1:
                raise SettingsError(
                    Code.E_DATASET,
                    f"Case {self.id}{where}: the label {name!r} lies between 0 (no) and 1 (yes)",
                    found=str(value),
                    fix="Leave out what is unknown.",
                )


_AnswersOf = Callable[[StudyCase], Iterable[Mapping[str, float]]]


@dataclass(frozen=True)
class StudySet:
    """A data set of studies, checked and sorted by id.

    Attributes:
        name: What people call it.
        cases: At least one, with different ids.
        labels: Names of the labels that its cases may have, in the order in which they are learnt.
        scores: Names of the scores, likewise.
        licence: As the source states it; may be empty.

    Raises:
        NoInputError: There is no case.
        SettingsError: An id or a name stands twice, a case has a label or score without a name here,
            no case has one of that name, or patients share an image (``E_DATASET``).
    """

    name: str
    cases: tuple[StudyCase, ...]
    labels: tuple[str, ...]
    scores: tuple[str, ...] = ()
    licence: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cases", in_order(self.name, self.cases))
        check_names(self.labels, self.scores)
        self._check_answers("label", self.labels, lambda case: (case.labels, *case.slice_labels.values()))
        self._check_answers("score", self.scores, lambda case: (case.scores,))
        check_owners(
            ((case.source, name), name or case.source.name, case)
            for case in self.cases
            for name in case.files or ("",)
        )

    def select(self, ids: Collection[str]) -> tuple[StudyCase, ...]:
        """Return the cases of some ids, sorted by id.

        Raises:
            SettingsError: An id is not in the data set (``E_DATASET``).
        """
        return chosen(self.name, self.cases, ids)

    def _check_answers(self, noun: str, names: tuple[str, ...], answers_of: _AnswersOf) -> None:
        """Refuse answers without a name here, and names without an answer."""
        unanswered = set(names)
        for case in self.cases:
            for answers in answers_of(case):
                for name in answers.keys() - set(names):
                    raise SettingsError(
                        Code.E_DATASET,
                        f"Case {case.id} has a {noun} that its data set does not name",
                        found=repr(name),
                        fix=nearest(name, names),
                    )
                unanswered -= answers.keys()
        for name in sorted(unanswered):
            raise SettingsError(
                Code.E_DATASET,
                f"No case of {self.name} has an answer to the {noun} {name!r}",
                fix="Fill in its column, or leave it out.",
            )


def check_names(labels: Iterable[str], scores: Iterable[str]) -> None:
    """Refuse names of labels and scores that are not all different.

    Raises:
        SettingsError: Names the first that stands twice (``E_DATASET``).
    """
    seen: set[str] = set()
    for name in (*labels, *scores):
        if name in seen:
            raise SettingsError(
                Code.E_DATASET,
                "Labels and scores need different names",
                found=f"{name!r} twice",
                fix="Name each once, either as a label or as a score.",
            )
        seen.add(name)


def wanted_names(
    names: Mapping[str, str] | None, known: Collection[str], *, data_set: str
) -> Mapping[str, str]:
    """Return the name of the label for each answer of a published data set that is wanted.

    Args:
        names: Asked for; None keeps all answers under their own names.
        known: Answers that the data set has.
        data_set: For the message.

    Raises:
        SettingsError: It has no such answer (``E_DATASET``).
    """
    for answer in names or ():
        if answer not in known:
            raise SettingsError(
                Code.E_DATASET, f"{data_set} has no answer {answer!r}", fix=nearest(answer, known)
            )
    return {answer: answer for answer in known} if names is None else names
