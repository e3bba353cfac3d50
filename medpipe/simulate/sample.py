"""The sample tree: real and simulated images, good and broken, in folders that say what they hold."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import torch
from PIL import Image

from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.nifti import write_volume
from medpipe.io.template import load_mni
from medpipe.simulate.brain_phantoms import write_phantom_brains
from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.head_ct.beaded import sequential_head_ct, tilted_head_ct
from medpipe.simulate.head_ct.writing import write_head_cts
from medpipe.simulate.mni import oblique_brain
from medpipe.simulate.radiograph import chest_radiograph
from medpipe.simulate.studies import write_small_studies
from medpipe.simulate.ward.writing import write_ward

PYDICOM_FILES: Final = (
    "CT_small.dcm",
    "MR_small.dcm",
    "693_J2KI.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "examples_rgb_color.dcm",
    "image_dfl.dcm",
    "test-SR.dcm",
)
"""Real objects of pydicom's wheel: plain, JPEG 2000, deflated, in colour, and a report without an image."""

SAMPLE_FAULTS: Final = (
    "slice_missing",
    "slice_twice",
    "spacing_variable",
    "pixels_short",
    "header_cut",
    "gzip_checksum",
    "forms_mirrored",
    "text_named_dicom",
)
"""A handful, one of each kind."""

KEPT_OUT: Final = frozenset({"folder_unreadable"})
"""Whoever asks for a sample must be able to delete it."""

MNI_FOLDER: Final = "01-mni152-t1-nifti"
"""Folder of the one whole head of T1 contrast that is a volume of its own."""

_T1_LEVELS: Final = 255.0


@dataclass(frozen=True)
class SampleEntry:
    """A folder of the sample tree and what it holds."""

    folder: Path
    holds: str


def write_sample(
    folder: Path, *, faults: bool = False, many: int = 0, brains: int = 0, head_cts: int = 0, ward: int = 0
) -> list[SampleEntry]:
    """Write the sample tree.

    Args:
        folder: Made if absent.
        faults: Write every fault that medpipe knows (save :data:`KEPT_OUT`), not a handful.
        many: Further small simulated studies.
        brains: Simulated brains with masks and an MMSE, as a data set to train on.
        head_cts: Simulated head CTs with bleeds and mass effect, as a data set to train on.
        ward: Simulated stays in hospital with kidney injury, as a data set to train on.

    Returns:
        What was written, in the order of the folders.
    """
    entries = [
        _write_mni(folder / MNI_FOLDER),
        _write_oblique_mr(folder / "02-mni152-oblique-mr-dicom"),
        _write_tilted_ct(folder / "03-simulated-head-ct-tilted"),
        _write_sequential_ct(folder / "04-simulated-head-ct-sequential"),
        _copy_pydicom_files(folder / "05-pydicom-test-files"),
        _write_radiograph(folder / "06-simulated-radiograph"),
        _write_faults(folder / "07-faults", ALL_FAULTS.keys() - KEPT_OUT if faults else SAMPLE_FAULTS),
    ]
    if many:
        entries.append(_write_many(folder / "08-many-small-studies", many))
    if brains:
        entries.append(_write_brains(folder / "09-simulated-brains", brains))
    if head_cts:
        entries.append(_write_head_cts(folder / "10-simulated-head-cts", head_cts))
    if ward:
        entries.append(_write_ward(folder / "11-simulated-ward", ward))
    return entries


def _write_mni(folder: Path) -> SampleEntry:
    brain = load_mni()
    folder.mkdir(parents=True, exist_ok=True)
    write_volume(folder / "mni152_t1.nii.gz", brain.with_array(torch.round(brain.array * _T1_LEVELS)))
    return SampleEntry(folder, "MNI152 T1 brain, average of 152 persons, 1 mm, NIfTI")


def _write_oblique_mr(folder: Path) -> SampleEntry:
    labels = SeriesLabels(
        seed="sample oblique brain",
        series_description="MNI152 T1, resampled on an oblique grid",
        patient_name="SIM^BRAIN",
        patient_id="SIM-0002",
        study_description="MNI152 brain as MR",
        body_part="BRAIN",
    )
    write_series(oblique_brain(), folder, labels=labels)
    return SampleEntry(folder, "the same brain as an oblique MR series, turned by 17 and 9 degrees")


def _write_tilted_ct(folder: Path) -> SampleEntry:
    write_series(tilted_head_ct().image, folder, labels=_head_labels("tilted", 3))
    return SampleEntry(folder, "simulated head CT, gantry tilt 15 degrees")


def _write_sequential_ct(folder: Path) -> SampleEntry:
    write_series(sequential_head_ct().image, folder, labels=_head_labels("sequential", 4))
    return SampleEntry(folder, "simulated sequential head CT, 4 mm then 7 mm, gantry tilt 15 degrees")


def _head_labels(kind: str, number: int) -> SeriesLabels:
    return SeriesLabels(
        seed=f"sample {kind} head",
        series_description=f"simulated head CT, {kind}",
        patient_name="SIM^HEAD",
        patient_id=f"SIM-{number:04d}",
        study_description="Simulated head CT",
    )


def _copy_pydicom_files(folder: Path) -> SampleEntry:
    folder.mkdir(parents=True, exist_ok=True)
    source = files("pydicom") / "data" / "test_files"
    for name in PYDICOM_FILES:
        with (source / name).open("rb") as stream, (folder / name).open("wb") as target:
            shutil.copyfileobj(stream, target)
    return SampleEntry(folder, "real objects from pydicom's own tests")


def _write_radiograph(folder: Path) -> SampleEntry:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(chest_radiograph()).save(folder / "simulated_chest.png")
    return SampleEntry(folder, "simulated picture in the manner of a chest radiograph, PNG")


def _write_faults(folder: Path, names: Iterable[str]) -> SampleEntry:
    chosen = [ALL_FAULTS[name] for name in sorted(names)]
    for fault in chosen:
        target = folder / fault.name.replace("_", "-")
        if target.exists():
            shutil.rmtree(target)  # links and FIFOs cannot be written twice
        target.mkdir(parents=True)
        fault.write(target, f"sample {fault.name}")  # each a study of its own
    return SampleEntry(folder, f"{len(chosen)} simulated studies with a fault each")


def _write_many(folder: Path, count: int) -> SampleEntry:
    write_small_studies(folder, count)
    return SampleEntry(folder, f"{count} small simulated CT studies")


def _write_brains(folder: Path, count: int) -> SampleEntry:
    write_phantom_brains(folder, range(count))
    return SampleEntry(folder, f"{count} simulated brains with masks and an MMSE, a data set to train on")


def _write_head_cts(folder: Path, count: int) -> SampleEntry:
    write_head_cts(folder, range(count))
    holds = f"{count} simulated head CTs with bleeds and mass effect, a data set to train on"
    return SampleEntry(folder, holds)


def _write_ward(folder: Path, count: int) -> SampleEntry:
    write_ward(folder, range(count))
    holds = f"{count} simulated stays in hospital with kidney injury, a data set to train on"
    return SampleEntry(folder, holds)
