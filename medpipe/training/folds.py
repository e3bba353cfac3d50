"""Folds: which cases a training learns from, and which it keeps aside."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import parse_part
from medpipe.data.members import Member, MemberSet
from medpipe.data.splits import Split, SplitFile, k_folds, read_splits, split_cases, write_splits

SPLITS: Final = "splits.json"
"""The split of a training's folder."""


@dataclass(frozen=True)
class Fold:
    """Fold ``index`` (from 1) of ``count``; one fold of one means a single split."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Fold":
        """Read ``i/k``.

        Raises:
            SettingsError: It is no such pair.
        """
        return cls(*parse_part(text, noun="fold", total="k"))


ONE_SPLIT: Final = Fold()
"""No cross-validation."""


def choose_split(
    case_set: MemberSet, path: Path, fold: Fold, validation: float, seed: int
) -> tuple[Split, str]:
    """Return a split and what it keeps together: that of a file, or a new one, which is written there.

    Args:
        case_set: What is parted.
        path: File of splits; read where it exists.
        fold: Which fold; one of one for a single split.
        validation: Share kept aside where there are no folds; 0 trains on all, and writes nothing.
        seed: Chooses the patients.

    Raises:
        SettingsError: The file does not fit the data set or holds another number of folds (``E_SPLIT``).
    """
    if path.exists():
        file: SplitFile = read_splits(path, case_set)
    elif fold.count > 1:
        file = k_folds(case_set, num_folds=fold.count, seed=seed)
    elif validation:
        file = split_cases(case_set, validation=validation, seed=seed)
    else:
        return Split(train=tuple(case.id for case in case_set.cases)), ""
    if len(file.splits) != fold.count:
        raise SettingsError(
            Code.E_SPLIT,
            f"{path.name} holds another number of folds",
            found=f"{len(file.splits)}, expected {fold.count}",
            fix="Use the same --fold i/k as before, or another folder.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_splits(path, file)
    return file.splits[fold.index - 1], file.rule.value


def refuse_held_out(figures_from: Sequence[Path], held_out: Sequence[Member]) -> None:
    """Refuse cases that are kept aside where the figures come from folds.

    Raises:
        SettingsError: There are such cases (``E_SPLIT``).
    """
    if figures_from and held_out:
        raise SettingsError(
            Code.E_SPLIT,
            "Figures of folds are for a network that is trained on all cases",
            found=f"{len(held_out)} cases kept for validation",
            fix="Set the share for validation to 0, or leave the folds out.",
        )


def check_each_once(
    found: Sequence[str], needed: Collection[str], allowed: Collection[str], *, done: str
) -> None:
    """Refuse folds that do not speak of every case of a data set once.

    Args:
        found: Names of what all folds spoke of, such as case ids.
        needed: What they must speak of.
        allowed: What they may speak of.
        done: What they did to it, such as ``"scored"``.

    Raises:
        SettingsError: Names the first that stands twice, is foreign or missing (``E_SPLIT``).
    """
    counts = Counter(found)
    wrong = {
        f"{done} twice": [name for name, count in counts.items() if count > 1],
        "not of this data set": counts.keys() - set(allowed),
        f"not {done}": set(needed) - counts.keys(),
    }
    for state, names in wrong.items():
        if names:
            first, *others = sorted(names)
            more = f" and {len(others)} more" if others else ""
            raise SettingsError(
                Code.E_SPLIT,
                f"Every case of the data set must be {done} by one of the folds",
                found=f"{state}: {first}{more}",
                fix="Give the folders of all folds of one cross-validation, each once.",
            )
