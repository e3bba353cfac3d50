"""Data sets laid out by BIDS: masks in a derivative, images beside them or in the raw data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.members import listed
from medpipe.data.paths import file_inside
from medpipe.data.rows import read_rows
from medpipe.io.bids import image_stem

T1_ONLY: Final[Mapping[str, str]] = {"image": "T1w"}

_IN_ID: Final = ("sub", "ses", "acq", "run")
_MUST_AGREE: Final = ("sub", "ses")
_AGREE_WHERE_STATED: Final = ("acq", "run", "space", "res")
_LABEL_TABLE: Final = "dseg.tsv"


@dataclass(frozen=True)
class _BidsFile:
    path: Path

    @cached_property
    def entities(self) -> dict[str, str]:
        """Return what the name states, such as ``{"sub": "01", "space": "T1w"}``."""
        words = (word.partition("-") for word in self.stem.split("_"))
        return {key: value for key, dash, value in words if dash}

    @property
    def stem(self) -> str:
        return image_stem(self.path.name)

    def ends_with(self, ending: str) -> bool:
        return f"_{self.stem}".endswith(f"_{ending}")

    def may_show(self, other: "_BidsFile") -> bool:
        """Whether two files can belong together."""
        mine, theirs = self.entities, other.entities
        return all(mine.get(key) == theirs.get(key) for key in _MUST_AGREE) and all(
            mine[key] == theirs[key] for key in _AGREE_WHERE_STATED if key in mine and key in theirs
        )


def read_bids(
    derivative: Path,
    *,
    images: Mapping[str, str] = T1_ONLY,
    mask: str = "dseg",
    raw: Path | None = None,
) -> CaseSet:
    """Pair the masks of a BIDS derivative with their images; subjects are patients.

    Images are looked for in the derivative first, then in the raw data set. Names of labels come from the
    derivative's ``dseg.tsv`` where it has one.

    Args:
        derivative: Folder such as ``bids/derivatives/manual``.
        images: How the names of images end, by channel name, such as ``{"image": "desc-preproc_T1w"}``.
        mask: How the names of masks end, such as ``"desc-hippocampus_dseg"``.
        raw: The raw data set; the folder that holds ``derivatives/`` where None.

    Raises:
        NoInputError: There is no such mask (``E_NO_INPUT``).
        SettingsError: A mask has no image, or several suit it; a link leads out (``E_DATASET``).

    Source:
        BIDS 1.10, derivatives: imaging (segmentations) and common principles.
    """
    if raw is None and derivative.absolute().parent.name == "derivatives":
        raw = derivative.absolute().parent.parent
    cases: list[SegmentationCase] = []
    for subject in sorted(path.name for path in derivative.glob("sub-*")):
        sources = [_files_of(folder, subject) for folder in (derivative, raw) if folder is not None]
        for file in sources[0]:
            if file.ends_with(mask):
                paths = {channel: _image_of(file, ending, sources) for channel, ending in images.items()}
                cases.append(SegmentationCase(_case_id(file), paths, file.path, patient=subject))
    if not cases:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"The derivative {derivative.name} has no mask whose name ends in _{mask}.nii.gz",
            fix="Name the ending of the masks, such as desc-manual_dseg.",
        )
    return CaseSet(name=derivative.name, cases=tuple(cases), label_names=_label_names(derivative))


def _files_of(folder: Path, subject: str) -> list[_BidsFile]:
    """Return the NIfTI files of a subject, sorted by path."""
    return [
        _BidsFile(file_inside(folder, str(path.relative_to(folder)), where=folder.name))
        for path in sorted((folder / subject).rglob("*.nii*"))
        if path.name.startswith(f"{subject}_")
    ]


def _image_of(mask: _BidsFile, ending: str, sources: Sequence[Sequence[_BidsFile]]) -> Path:
    for files in sources:
        fits = [file for file in files if file.ends_with(ending) and file.may_show(mask)]
        if len(fits) > 1:
            raise SettingsError(
                Code.E_DATASET,
                f"Several images suit the mask {mask.path.name}",
                found=listed(file.path.name for file in fits),
                fix="Name a longer ending of the image, such as desc-preproc_T1w.",
            )
        if fits:
            return fits[0].path
    raise SettingsError(
        Code.E_DATASET,
        f"The mask {mask.path.name} has no image",
        found=f"none of its subject and session that ends in _{ending}",
        fix="Add the image, name another ending, or state where the raw data set lies.",
    )


def _case_id(mask: _BidsFile) -> str:
    return "_".join(f"{key}-{mask.entities[key]}" for key in _IN_ID if key in mask.entities)


def _label_names(derivative: Path) -> dict[int, str]:
    table = derivative / _LABEL_TABLE
    if not table.is_file():
        return {}
    rows = read_rows(table, needs=("index", "name"))
    return {int(row.number("index")): row.text("name") for row in rows if row.number("index") != 0}
