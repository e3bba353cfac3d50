"""File names of the Brain Imaging Data Structure: subject, session and what an image shows."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

_ENTITIES: Final = re.compile(r"^(sub-[0-9A-Za-z]+)(?:_(ses-[0-9A-Za-z]+))?(?=_)")
_SUFFIX: Final = re.compile(r"(?:^|_)([0-9A-Za-z]+)$")

_MODALITIES: Final = {
    "MR": (
        "T1w T2w PDw PDT2 FLAIR T2star T2starw T1map T2map UNIT1 inplaneT1 inplaneT2 angio MP2RAGE MEGRE SWI "
        "bold sbref cbv dwi asl m0scan phasediff magnitude magnitude1 magnitude2 epi"
    ),
    "CT": "ct CT",
    "PT": "pet",
}
_MODALITY_OF_SUFFIX: Final = {suffix: name for name, words in _MODALITIES.items() for suffix in words.split()}
_MASK_SUFFIXES: Final = frozenset({"mask", "dseg", "probseg", "seg"})


@dataclass(frozen=True)
class BidsName:
    """What a file name says.

    Attributes:
        subject: Such as ``"sub-01"``; empty where the name states none.
        session: Such as ``"ses-pre"``; empty where the name states none.
        modality: DICOM modality of its suffix; empty where unknown.
        is_mask: Whether the suffix names a segmentation.
    """

    subject: str
    session: str
    modality: str
    is_mask: bool

    @property
    def label(self) -> str:
        """Subject and session in one word, such as ``"sub-01_ses-pre"``."""
        return "_".join(filter(None, (self.subject, self.session)))

    def folder_of(self, path: PurePath) -> PurePath:
        """Return the folder of the session, or else of the subject, or else the file's own."""
        wanted = self.session or self.subject
        return next((parent for parent in path.parents if parent.name == wanted), path.parent)


def parse_bids(name: str) -> BidsName:
    """Read a file name.

    Source:
        BIDS 1.10, file name structure and the suffixes of its schema.
    """
    stem = image_stem(name)
    entities = _ENTITIES.match(stem)
    suffix = _SUFFIX.search(stem)
    word = suffix[1] if suffix else ""
    return BidsName(
        subject=entities[1] if entities else "",
        session=(entities[2] or "") if entities else "",
        modality=_MODALITY_OF_SUFFIX.get(word, ""),
        is_mask=word in _MASK_SUFFIXES,
    )


def image_stem(name: str) -> str:
    """Return a file name without ``.nii.gz``, ``.hdr``, ``.png`` or the like."""
    return PurePath(name.removesuffix(".gz")).stem
