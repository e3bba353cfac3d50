"""SOP classes by what medpipe does with them (PS3.4 B.5, PS3.6 A)."""

from typing import Final

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."

DIRECTORY: Final = "1.2.840.10008.1.3.10"
SECONDARY_CAPTURE: Final = _STORAGE + "7"

_NON_IMAGE_PREFIXES: Final = (
    _STORAGE + "4.2",  # MR spectroscopy
    _STORAGE + "9.",  # waveforms
    _STORAGE + "11.",  # presentation states
    _STORAGE + "30",  # parametric maps
    _STORAGE + "66",  # raw data, registrations, segmentations
    _STORAGE + "67",  # real-world value mapping
    _STORAGE + "78.",  # ophthalmic measurements
    _STORAGE + "79.",
    _STORAGE + "80.",
    _STORAGE + "88.",  # structured reports, key objects
    _STORAGE + "104.",  # encapsulated documents
    _STORAGE + "481.",  # radiotherapy; RT images among them are not read
    "1.2.840.10008.5.1.4.38.",  # hanging protocols
    "1.2.840.10008.5.1.4.39.",  # colour palettes
    DIRECTORY,
)

ENHANCED: Final = frozenset(_STORAGE + suffix for suffix in ("2.1", "2.2", "4.1", "4.4", "128.1", "130"))
"""CT, MR and PET whose frames carry functional groups; 2.2, 4.4 and 128.1 were single frames once."""

_MODALITIES: Final = {
    _STORAGE + "1": "CR",
    _STORAGE + "1.1": "DX",
    _STORAGE + "1.1.1": "DX",
    _STORAGE + "1.2": "MG",
    _STORAGE + "1.2.1": "MG",
    _STORAGE + "2": "CT",
    _STORAGE + "2.1": "CT",
    _STORAGE + "2.2": "CT",
    _STORAGE + "4": "MR",
    _STORAGE + "4.1": "MR",
    _STORAGE + "4.4": "MR",
    _STORAGE + "20": "NM",
    _STORAGE + "128": "PT",
    _STORAGE + "128.1": "PT",
    _STORAGE + "130": "PT",
}

RADIOGRAPH_MODALITIES: Final = frozenset({"CR", "DX", "MG", "IO", "PX", "RG"})
"""Single exposures: each file is an image of its own."""

CROSS_SECTIONAL_MODALITIES: Final = frozenset({"CT", "MR", "PT", "NM"})
"""Slices that have a place in the patient."""

IMAGE_MODALITIES: Final = RADIOGRAPH_MODALITIES | CROSS_SECTIONAL_MODALITIES | {"US", "XA", "RF"}


def is_non_image(sop_class_uid: str) -> bool:
    """Whether objects of the class hold no image that medpipe reads, such as SR, SEG or RTSTRUCT."""
    return sop_class_uid.startswith(_NON_IMAGE_PREFIXES)


def is_secondary_capture(sop_class_uid: str) -> bool:
    """Whether objects of the class are screen shots, scans of film or the like."""
    return sop_class_uid == SECONDARY_CAPTURE or sop_class_uid.startswith(SECONDARY_CAPTURE + ".")


def modality_of(sop_class_uid: str) -> str:
    """Return the modality that a class implies, for headers that state none; empty where it implies none."""
    return _MODALITIES.get(sop_class_uid, "")
