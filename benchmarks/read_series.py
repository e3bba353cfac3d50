"""Time from a folder of 300 CT slices to one float32 HU array in memory, against other readers.

Run on a quiet machine: ``python benchmarks/read_series.py``. All readers run in one process, in turns, on the
same files, which are in the page cache. The time of medpipe holds everything: listing the folder, reading
all headers, splitting them into series, proving the geometry and decoding; a second row adds the sha256 over
all files that the source record carries unless told otherwise, which no other reader computes.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
import torch
from monai.data import PydicomReader
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless

from medpipe.io.dicom.headers import read_header
from medpipe.io.dicom.read import read_dicom
from medpipe.io.dicom.series import split_series
from medpipe.io.series import Form

SIZE = 512
NUM_DISTINCT = 12
"""Different slices; 300 files repeat them, since compressing each would take minutes."""

RESULTS = Path(__file__).parent / "results" / "read_series.json"


def read_medpipe(folder: Path, *, hash_files: bool = False) -> np.ndarray:
    (series,) = split_series([read_header(path) for path in sorted(folder.iterdir())])
    return read_dicom(series, form=Form.VOLUME, hash_files=hash_files).array.numpy()


def read_medpipe_hashing(folder: Path) -> np.ndarray:
    return read_medpipe(folder, hash_files=True)


def read_simpleitk(folder: Path) -> np.ndarray:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(sitk.Cast(reader.Execute(), sitk.sitkFloat32))


def read_pydicom(folder: Path) -> np.ndarray:
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    datasets.sort(key=lambda ds: ds.ImagePositionPatient[2])
    return np.stack(
        [
            ds.pixel_array.astype(np.float32) * np.float32(ds.RescaleSlope) + np.float32(ds.RescaleIntercept)
            for ds in datasets
        ]
    )


def read_monai(folder: Path) -> np.ndarray:
    reader = PydicomReader()
    array, _ = reader.get_data(reader.read(str(folder)))
    return np.asarray(array, dtype=np.float32)


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    "medpipe": read_medpipe,
    "medpipe with sha256": read_medpipe_hashing,
    "SimpleITK": read_simpleitk,
    "pydicom loop": read_pydicom,
    "MONAI PydicomReader": read_monai,
}


def head_slice(number: int) -> np.ndarray:
    """Return stored values of a phantom: an ellipse with structure and noise in air, like CT."""
    generator = np.random.default_rng(number)
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    inside = (x / 0.7) ** 2 + (y / 0.9) ** 2 < 1
    tissue = 1064 + 40 * np.sin(9 * x + number) * np.cos(7 * y)
    return np.where(inside, tissue, 24) + generator.normal(0, 8, (SIZE, SIZE))


def write_series(folder: Path, num_slices: int, syntax: str) -> None:
    """Write slices 1 mm apart, with numbers that descend."""
    encoded = [encoded_slice(number, syntax) for number in range(min(NUM_DISTINCT, num_slices))]
    for number in range(num_slices):
        ds = encoded[number % len(encoded)]
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
        ds.InstanceNumber = num_slices - number
        ds.ImagePositionPatient = [-250, -250, number]
        ds.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)


def encoded_slice(number: int, syntax: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.1", "1.2.2", "1.2.4"
    ds.SOPInstanceUID = f"1.2.3.{number + 1}"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.9766, 0.9766], 1
    ds.Rows = ds.Columns = SIZE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    ds.PixelData = np.rint(head_slice(number)).astype(np.int16).tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax != ExplicitVRLittleEndian:
        ds.compress(syntax)
    return ds


def time_readers(folder: Path, names: list[str], repeats: int) -> dict[str, list[float]]:
    """Time readers in turns, so that a slow moment of the machine hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    sums = {name: float(READERS[name](folder).sum(dtype=np.float64)) for name in names}
    assert len({round(total) for total in sums.values()}) == 1, f"readers disagree: {sums}"
    for _ in range(repeats):
        for name in names:
            start = time.perf_counter()
            array = READERS[name](folder)
            seconds[name].append(time.perf_counter() - start)
            assert array.dtype == np.float32
            del array
    return seconds


def report(title: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"\n{title}\n{'reader':<22}{'median s':>10}{'min s':>10}{'max s':>10}{'of medpipe':>12}")
    for name, times in seconds.items():
        ratio = medians[name] / medians["medpipe"]
        print(f"{name:<22}{medians[name]:>10.3f}{min(times):>10.3f}{max(times):>10.3f}{ratio:>11.1f}x")
    return {
        name: {"median_s": round(medians[name], 4), "seconds": [round(t, 4) for t in times]}
        for name, times in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    result: dict[str, Any] = {
        "slices": arguments.slices,
        "size": SIZE,
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "simpleitk": sitk.Version_VersionString(),
    }
    for title, syntax in (("uncompressed", ExplicitVRLittleEndian), ("JPEG 2000 lossless", JPEG2000Lossless)):
        with tempfile.TemporaryDirectory() as folder:
            write_series(Path(folder), arguments.slices, syntax)
            result[title] = report(title, time_readers(Path(folder), list(READERS), arguments.repeats))
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
