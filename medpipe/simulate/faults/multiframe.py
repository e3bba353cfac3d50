"""Enhanced multi-frame objects: one that is right, one without a frame of reference (table B.1)."""

from copy import deepcopy
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from medpipe.core.codes import Code
from medpipe.simulate.faults.registry import done, refused
from medpipe.simulate.faults.series import good_datasets, save_all

_HELD_IN_GROUPS: Final = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)
"""Attributes that an enhanced object holds in its functional groups alone."""


@done()
def enhanced_ct(folder: Path, seed: str) -> None:
    """An enhanced CT holds all slices as frames of one file."""
    save_all([enhanced_from(good_datasets(seed, description="enhanced CT"), modality="CT")], folder)


@refused(Code.E_FRAME)
def enhanced_mr_without_frame_of_reference(folder: Path, seed: str) -> None:
    """An enhanced MR states no frame of reference."""
    dataset = enhanced_from(good_datasets(seed, description="enhanced MR, no frame"), modality="MR")
    del dataset.FrameOfReferenceUID
    save_all([dataset], folder)


def enhanced_from(slices: list[Dataset], *, modality: str) -> Dataset:
    """Return the slices of a classic series as one multi-frame object.

    It holds the functional groups that place and rescale each frame, and not all that the IOD asks for.

    Args:
        slices: As :func:`medpipe.io.dicom.write.series_datasets` returns them.
        modality: ``"CT"`` or ``"MR"``: the class of the object.

    Source:
        PS3.3 C.7.6.16.
    """
    first = slices[0]
    enhanced = deepcopy(first)
    enhanced.SOPClassUID = EnhancedCTImageStorage if modality == "CT" else EnhancedMRImageStorage
    enhanced.file_meta.MediaStorageSOPClassUID = enhanced.SOPClassUID
    enhanced.Modality = modality
    for keyword in _HELD_IN_GROUPS:
        del enhanced[keyword]
    enhanced.NumberOfFrames = len(slices)
    enhanced.SharedFunctionalGroupsSequence = [_shared_groups(first)]
    enhanced.PerFrameFunctionalGroupsSequence = [
        _frame_groups(dataset, number) for number, dataset in enumerate(slices, start=1)
    ]
    enhanced.DimensionOrganizationSequence = []
    enhanced.DimensionIndexSequence = []
    enhanced.PixelData = b"".join(dataset.PixelData for dataset in slices)
    return enhanced


def _shared_groups(first: Dataset) -> Dataset:
    groups = Dataset()
    orientation = Dataset()
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    groups.PlaneOrientationSequence = [orientation]
    measures = Dataset()
    measures.PixelSpacing = first.PixelSpacing
    measures.SliceThickness = first.SliceThickness
    measures.SpacingBetweenSlices = first.SpacingBetweenSlices
    groups.PixelMeasuresSequence = [measures]
    rescale = Dataset()
    rescale.RescaleSlope = first.RescaleSlope
    rescale.RescaleIntercept = first.RescaleIntercept
    rescale.RescaleType = first.RescaleType
    groups.PixelValueTransformationSequence = [rescale]
    return groups


def _frame_groups(dataset: Dataset, number: int) -> Dataset:
    groups = Dataset()
    position = Dataset()
    position.ImagePositionPatient = dataset.ImagePositionPatient
    groups.PlanePositionSequence = [position]
    content = Dataset()
    content.StackID = "1"
    content.InStackPositionNumber = number
    content.DimensionIndexValues = [1, number]
    groups.FrameContentSequence = [content]
    return groups
