"""Studies that hold objects other than one series of images (C.4 rows 34 and 37)."""

from copy import deepcopy
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
)

from medpipe.core.volume import Volume
from medpipe.io.dicom.uids import derive_uid
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.simulate.faults.registry import done, skipped
from medpipe.simulate.faults.series import good_datasets, save_all
from medpipe.simulate.small_ct import small_ct

_DOCUMENTS: Final = (
    ("SR", BasicTextSRStorage),
    ("PR", GrayscaleSoftcopyPresentationStateStorage),
    ("KO", KeyObjectSelectionDocumentStorage),
)


@done()
def documents_beside(folder: Path, seed: str) -> None:
    """A report, a presentation state and a key object selection lie beside the images."""
    datasets = good_datasets(seed, description="documents beside")
    save_all(datasets, folder)
    save_all(_documents(datasets[0]), folder, prefix="DOC")


@skipped()
def documents_alone(folder: Path, seed: str) -> None:
    """A study holds a report, a presentation state and a key object selection, but no image."""
    save_all(_documents(good_datasets(seed, description="documents alone")[0]), folder)


@done()
def modality_unexpected(folder: Path, seed: str) -> None:
    """An MR study lies where CT is wanted: it can be read, and a pipeline for CT refuses it."""
    ct = small_ct(num_slices=6, size=32)
    mr = Volume(ct.array + 1024, ct.affine, "MR", ct.source)
    labels = SeriesLabels(
        seed=seed,
        series_description="simulated, MR where CT is wanted",
        patient_name="SIM^FAULT",
        patient_id="SIM-FAULT",
        body_part="KNEE",
    )
    write_series(mr, folder, labels=labels)


def _documents(image: Dataset) -> list[Dataset]:
    documents = []
    for number, (modality, sop_class) in enumerate(_DOCUMENTS, start=100):
        document = Dataset()
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID"):
            document[keyword] = deepcopy(image[keyword])
        document.SOPClassUID = sop_class
        document.SOPInstanceUID = derive_uid(image.SOPInstanceUID, modality)
        document.Modality = modality
        document.SeriesInstanceUID = derive_uid(image.SeriesInstanceUID, modality)
        document.SeriesNumber = number
        document.InstanceNumber = 1
        document.file_meta = deepcopy(image.file_meta)
        document.file_meta.MediaStorageSOPClassUID = sop_class
        document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
        documents.append(document)
    return documents
