"""A builder of small CT series with faults."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.dicom.headers import Header, read_header
from medpipe.io.dicom.read import read_dicom
from medpipe.io.dicom.series import split_series
from medpipe.io.series import Form, Series

ROWS, COLUMNS = 5, 7


class SeriesBuilder:
    """Makes, writes and reads series in one folder.

    Slices are 7 columns x 5 rows of 0.5 x 0.75 mm; stored values differ in every pixel.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def slices(self, positions: Sequence[Sequence[float]], **changes: Any) -> list[Dataset]:
        """Return a CT slice for each LPS position; ``changes`` are attributes by keyword."""
        return [self.slice(position, number, **changes) for number, position in enumerate(positions)]

    def axial(self, heights: Sequence[float], **changes: Any) -> list[Dataset]:
        """Return axial slices at heights along S."""
        return self.slices([(-10.0, 20.0, float(height)) for height in heights], **changes)

    def slice(self, position: Sequence[float], number: int = 0, **changes: Any) -> Dataset:
        ds = Dataset()
        ds.SOPClassUID = CTImageStorage
        ds.SOPInstanceUID = f"1.2.3.{number + 1}.{self._count + 1}"
        self._count += 1
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.10", "1.2.11", "1.2.12"
        ds.Modality, ds.PatientID, ds.StudyDate, ds.StudyTime = "CT", "P1", "20200102", "030405"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.InstanceNumber = number + 1
        ds.ImagePositionPatient = [float(value) for value in position]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing = [0.75, 0.5]
        ds.SliceThickness = 3
        ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        ds.PixelData = self.stored(number).tobytes()
        for keyword, value in changes.items():
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)
        return ds

    @staticmethod
    def stored(number: int, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
        """Return ``(rows, columns)`` int16 pixels of a slice: 100 * number + 10 * row + column."""
        row, column = np.mgrid[:rows, :columns]
        return (100 * number + 10 * row + column).astype(np.int16)

    def write(self, datasets: Sequence[Dataset], syntax: str = ExplicitVRLittleEndian) -> list[Path]:
        """Write files and return their paths."""
        paths = []
        for ds in datasets:
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = syntax
            ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            path = self.folder / f"{len(list(self.folder.iterdir())):04d}.dcm"
            ds.save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    def headers(self) -> list[Header]:
        return [read_header(path) for path in sorted(self.folder.iterdir())]

    def series(self) -> tuple[Series, ...]:
        return split_series(self.headers())

    def read(self, datasets: Sequence[Dataset], form: Form = Form.VOLUME) -> Any:
        """Write slices and read the one series that they make."""
        self.write(datasets)
        (series,) = self.series()
        return read_dicom(series, form=form)

    def volume(self, datasets: Sequence[Dataset]) -> Volume:
        value = self.read(datasets, Form.VOLUME)
        assert isinstance(value, Volume)
        return value

    def stack(self, datasets: Sequence[Dataset]) -> SliceStack:
        value = self.read(datasets, Form.SLICES)
        assert isinstance(value, SliceStack)
        return value

    def planar(self, dataset: Dataset) -> Planar:
        value = self.read([dataset], Form.PLANAR)
        assert isinstance(value, Planar)
        return value


@pytest.fixture
def builder(tmp_path: Path) -> SeriesBuilder:
    folder = tmp_path / "series"
    folder.mkdir()
    return SeriesBuilder(folder)
