"""Slices as a classic CT or MR series: one explicit little endian file a slice."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from medpipe.core.affine import LPS_FROM_RAS, OBLIQUE_TOLERANCE, Array
from medpipe.core.errors import ShapeError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.dicom.uids import derive_uid

STUDY_DATE: Final = "20000101"
STUDY_TIME: Final = "120000"
"""Written series carry one fixed date and time: files depend on their content alone."""

EVEN_TOLERANCE_MM: Final = 1e-4
"""Gaps that differ by less are written as one SpacingBetweenSlices."""

TILT_TOLERANCE_DEGREES: Final = 0.01
"""Slices sheared by less are written without a GantryDetectorTilt."""

_DECIMALS: Final = 9
_STORAGE: Final = {"CT": CTImageStorage, "MR": MRImageStorage}


@dataclass(frozen=True)
class SeriesLabels:
    """What a written series says of itself; none of it is of a real person.

    Attributes:
        seed: All UIDs derive from it: series of one seed and different numbers share their study.
        series_description: Says what it is, and that it is simulated where it is.
        series_number: Counts the series of a study.
        patient_name: Such as ``"SIM^HEAD"``.
        patient_id: Such as ``"SIM-0001"``.
        study_description: Title of the study.
        body_part: DICOM body part examined, such as ``"HEAD"``.
    """

    seed: str
    series_description: str
    series_number: int = 1
    patient_name: str = "SIM^PHANTOM"
    patient_id: str = "SIM-0000"
    study_description: str = "Simulated study"
    body_part: str = "HEAD"


@dataclass(frozen=True)
class Rescale:
    """Stored value to meaning: ``stored * slope + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0


DEFAULT_RESCALE: Final = {"CT": Rescale(1.0, -1024.0), "MR": Rescale()}


def write_series(
    image: Volume | SliceStack,
    folder: Path,
    *,
    labels: SeriesLabels,
    instance_numbers: Sequence[int] | None = None,
    rescale: Rescale | None = None,
) -> list[Path]:
    """Write a volume or slice stack as a DICOM series.

    Args:
        image: One channel, modality CT or MR; oblique and sheared (gantry tilt) alike.
        folder: Made if absent; receives one file a slice, named by its instance number.
        labels: What the series says of itself.
        instance_numbers: Different numbers, one a slice along K; 1, 2, 3 … by default.
        rescale: Values are rounded to multiples of its slope; by default integers, HU - 1024 for CT.

    Returns:
        The files in the order of the slices along K.

    Raises:
        ShapeError: The modality, the channels or the values do not fit, or rows and columns are not
            perpendicular.
    """
    datasets = series_datasets(image, labels=labels, instance_numbers=instance_numbers, rescale=rescale)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"IM{int(dataset.InstanceNumber):04d}.dcm" for dataset in datasets]
    for dataset, path in zip(datasets, paths, strict=True):
        dataset.save_as(path, enforce_file_format=True)
    return paths


def series_datasets(
    image: Volume | SliceStack,
    *,
    labels: SeriesLabels,
    instance_numbers: Sequence[int] | None = None,
    rescale: Rescale | None = None,
) -> list[Dataset]:
    """Return the data sets that :func:`write_series` writes, in the order of the slices along K."""
    stack = slices_of(image) if isinstance(image, Volume) else image
    if stack.modality not in _STORAGE or stack.array.shape[1] != 1:
        raise ShapeError(
            "Only CT and MR of one channel are written as a series",
            found=f"{stack.modality or 'no modality'} with {stack.array.shape[1]} channels",
        )
    rescale = rescale or DEFAULT_RESCALE[stack.modality]
    stored = _stored_values(stack.array[:, 0], rescale)
    numbers = instance_numbers or range(1, stack.num_slices + 1)
    shared = _shared_attributes(stack, labels, rescale)
    position = stack.positions_mm @ LPS_FROM_RAS[:3, :3]
    datasets = []
    for index, number in enumerate(numbers):
        dataset = deepcopy(shared)  # pydicom's own copies share their elements
        dataset.SOPInstanceUID = instance_uid(labels, index)
        dataset.InstanceNumber = int(number)
        dataset.ImagePositionPatient = _decimal_strings(position[index])
        dataset.SliceThickness = _thickness(stack.thickness_mm[index])
        dataset.PixelData = stored[index].T.tobytes()  # DICOM stores rows, along J, one after another
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = _file_meta(dataset)
        datasets.append(dataset)
    return datasets


def instance_uid(labels: SeriesLabels, index: int) -> str:
    """Return the SOPInstanceUID that the slice at an index along K is written with."""
    return derive_uid(labels.seed, labels.series_number, "instance", index)


def slices_of(volume: Volume) -> SliceStack:
    """Return a volume as slices along its third axis, in its own order."""
    step = volume.affine[:3, 2]
    normal = np.cross(volume.affine[:3, 0], volume.affine[:3, 1])
    thickness = abs(float(step @ normal)) / float(np.linalg.norm(normal))
    num_slices = volume.grid.shape[2]
    return SliceStack(
        array=volume.array.permute(3, 0, 1, 2),
        in_plane_mm=volume.affine[:3, :2],
        positions_mm=volume.affine[:3, 3] + np.arange(num_slices)[:, None] * step,
        thickness_mm=np.full(num_slices, thickness),
        modality=volume.modality,
        source=volume.source,
    )


def _shared_attributes(stack: SliceStack, labels: SeriesLabels, rescale: Rescale) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = _STORAGE[stack.modality]
    _name(dataset, labels)
    dataset.Modality = stack.modality
    dataset.Manufacturer = "medpipe"
    dataset.ManufacturerModelName = "simulator"
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = None
    _place(dataset, stack)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Columns, dataset.Rows = stack.array.shape[2:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    if stack.modality == "CT":
        _describe_ct(dataset, stack)
    else:
        _describe_mr(dataset)
    if stack.modality == "CT" or rescale != Rescale():
        dataset.RescaleSlope = _decimal_strings([rescale.slope])[0]
        dataset.RescaleIntercept = _decimal_strings([rescale.intercept])[0]
    return dataset


def _name(dataset: Dataset, labels: SeriesLabels) -> None:
    dataset.PatientName = labels.patient_name
    dataset.PatientID = labels.patient_id
    dataset.PatientBirthDate = None
    dataset.PatientSex = None
    dataset.StudyInstanceUID = derive_uid(labels.seed, "study")
    dataset.StudyDate, dataset.StudyTime = STUDY_DATE, STUDY_TIME
    dataset.StudyID = "1"
    dataset.AccessionNumber = None
    dataset.ReferringPhysicianName = None
    dataset.StudyDescription = labels.study_description
    dataset.SeriesInstanceUID = derive_uid(labels.seed, labels.series_number, "series")
    dataset.SeriesNumber = labels.series_number
    dataset.SeriesDescription = labels.series_description
    dataset.BodyPartExamined = labels.body_part
    dataset.AcquisitionNumber = 1
    dataset.FrameOfReferenceUID = derive_uid(labels.seed, "frame of reference")


def _place(dataset: Dataset, stack: SliceStack) -> None:
    """Set what places every slice alike; each slice's own position is set beside its pixels."""
    spacing_i, spacing_j = stack.spacing_mm
    directions = LPS_FROM_RAS[:3, :3] @ stack.in_plane_mm / stack.spacing_mm
    cosine = float(directions[:, 0] @ directions[:, 1])
    if abs(cosine) > OBLIQUE_TOLERANCE:
        raise ShapeError("DICOM rows and columns are perpendicular", found=f"a cosine of {cosine:.6f}")
    dataset.ImageOrientationPatient = _decimal_strings(directions.T.ravel())
    dataset.PixelSpacing = _decimal_strings([spacing_j, spacing_i])  # between rows first
    gaps = stack.gaps_mm
    if len(gaps) and np.ptp(gaps) < EVEN_TOLERANCE_MM:
        dataset.SpacingBetweenSlices = _decimal_strings([gaps.mean()])[0]


def _describe_ct(dataset: Dataset, stack: SliceStack) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.RescaleType = "HU"
    dataset.KVP = None
    tilt = _tilt_degrees(stack)
    if tilt > TILT_TOLERANCE_DEGREES:
        dataset.GantryDetectorTilt = _decimal_strings([tilt])[0]


def _describe_mr(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence = "RM"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = None
    dataset.MRAcquisitionType = "3D"
    dataset.RepetitionTime = None
    dataset.EchoTime = None
    dataset.EchoTrainLength = None


def _tilt_degrees(stack: SliceStack) -> float:
    steps = np.diff(stack.positions_mm, axis=0)
    if not len(steps):
        return 0.0
    along = steps @ stack.normal
    across = np.linalg.norm(steps - along[:, None] * stack.normal, axis=1)
    return float(np.degrees(np.arctan2(across, np.abs(along))).mean())


def _stored_values(values: torch.Tensor, rescale: Rescale) -> npt.NDArray[np.int16]:
    """Return ``(S, I, J)`` integers whose rescaled values are nearest to ``values``."""
    stored = np.rint((values.numpy().astype(np.float64) - rescale.intercept) / rescale.slope)
    limits = np.iinfo(np.int16)
    low, high = float(stored.min()), float(stored.max())
    if not (limits.min <= low and high <= limits.max):  # false for NaN as well
        raise ShapeError(
            "The values do not fit 16-bit integers",
            found=f"stored values from {low:g} to {high:g}",
            fix="Pass another rescale.",
        )
    return stored.astype("<i2")


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = derive_uid("medpipe", "implementation")
    meta.ImplementationVersionName = "MEDPIPE"
    return meta


def _thickness(thickness_mm: float) -> DSfloat | None:
    return None if np.isnan(thickness_mm) else _decimal_strings([thickness_mm])[0]


def _decimal_strings(values: Sequence[float] | Array) -> list[DSfloat]:
    # Rounding keeps 1e-17 out of 16 characters; adding zero turns -0.0 into 0.0.
    return [DSfloat(round(float(value), _DECIMALS) + 0.0, auto_format=True) for value in values]
