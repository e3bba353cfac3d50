"""Do readers put every marker of a phantom where it is? Writes docs/geometry.md and results/geometry.json.

Run: ``python benchmarks/geometry.py``
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import highdicom
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom

from medpipe.core.affine import LPS_FROM_RAS, Array
from medpipe.core.errors import RefusedError
from medpipe.core.volume import Volume
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.load import read_series
from medpipe.io.series import Form
from medpipe.io.tree import index_tree
from medpipe.simulate.phantom import (
    PHANTOM_SHAPE,
    MarkerPhantom,
    all_orientations,
    marker_errors_mm,
    marker_phantom,
    orientation_affine,
    random_oblique_affine,
    rotations,
    tilted_affine,
)

TOLERANCE_MM = 1e-3
NUM_OBLIQUES = 32
TILTS_DEGREES = (-30.0, -20.0, -10.0, 5.0, 15.0, 25.0, 30.0)
TILTED_PIXEL_MM, TILTED_STEP_MM = (10.0, 12.0), 7.0
"""Seven markers over the extent of a head."""

NUM_SLICES = PHANTOM_SHAPE[2]
NUMBERINGS = {
    "ascending": range(1, NUM_SLICES + 1),
    "descending": range(NUM_SLICES, 0, -1),
    "shuffled": [int(n) + 1 for n in np.random.default_rng(0).permutation(NUM_SLICES)],
}

DOCUMENT = Path("docs/geometry.md")
RESULTS = Path("benchmarks/results/geometry.json")


class Placed(NamedTuple):
    """What a reader made of an input: ``(I, J, K)`` values and their affine to RAS mm."""

    values: npt.NDArray[np.generic]
    affine: Array


class NoImageError(Exception):
    """A reader gave no image, or several; the message says what it said."""


@dataclass(frozen=True)
class Trial:
    """One input and its truth."""

    group: str
    name: str
    phantom: MarkerPhantom
    instance_numbers: list[int] | None = None

    @property
    def is_nifti(self) -> bool:
        """Whether the phantom is written as NIfTI."""
        return self.group.startswith("NIfTI")


def trials() -> Iterator[Trial]:
    for codes in all_orientations():
        yield Trial("NIfTI, 48 orientations", codes, marker_phantom(orientation_affine(codes)))
    for seed in range(NUM_OBLIQUES):
        phantom = marker_phantom(random_oblique_affine(seed))
        yield Trial(f"NIfTI, {NUM_OBLIQUES} random obliques", f"seed {seed}", phantom)
    for numbering, numbers in NUMBERINGS.items():
        for codes in rotations():
            phantom = marker_phantom(orientation_affine(codes))
            yield Trial(f"DICOM, 24 orientations, numbers {numbering}", codes, phantom, list(numbers))
    for seed in range(NUM_OBLIQUES):
        phantom = marker_phantom(random_oblique_affine(1000 + seed), modality="MR")
        group = f"DICOM, {NUM_OBLIQUES} random obliques, numbers shuffled"
        yield Trial(group, f"seed {seed}", phantom, list(NUMBERINGS["shuffled"]))
    for tilt in TILTS_DEGREES:
        affine = tilted_affine(tilt, pixel_mm=TILTED_PIXEL_MM, step_mm=TILTED_STEP_MM, origin=(60, 50, -70))
        group = f"DICOM, gantry tilt, {len(TILTS_DEGREES)} angles from -30 to 30 degrees"
        yield Trial(group, f"{tilt:g} degrees", marker_phantom(affine))


def write(trial: Trial, folder: Path) -> None:
    volume = trial.phantom.volume
    if trial.is_nifti:
        image = nib.Nifti1Image(volume.array[0].numpy(), volume.affine)
        image.set_qform(volume.affine, code=1)
        image.set_sform(volume.affine, code=1)
        nib.save(image, folder / "phantom.nii.gz")
        return
    labels = SeriesLabels(seed=f"{trial.group}, {trial.name}", series_description="simulated phantom")
    write_series(volume, folder, labels=labels, instance_numbers=trial.instance_numbers)


def read_with_medpipe(folder: Path) -> Placed:
    (study,) = index_tree((folder,)).studies
    (series,) = study.series
    try:
        volume = read_series(series, form=Form.VOLUME)
    except RefusedError as error:
        raise NoImageError(f"{error.code}: {error}") from error
    assert isinstance(volume, Volume)
    return Placed(volume.array[0].numpy(), volume.affine)


def read_with_nibabel(folder: Path) -> Placed:
    image = nib.load(next(folder.iterdir()))
    return Placed(np.asanyarray(image.dataobj), image.affine)


def read_with_highdicom(folder: Path) -> Placed:
    try:
        volume = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in folder.iterdir()])
    except (ValueError, RuntimeError) as error:
        raise NoImageError(str(error)) from error
    return Placed(volume.array, LPS_FROM_RAS @ volume.affine)


def read_with_dcm2niix(folder: Path) -> Placed:
    """Take the file that is not interpolated: a voxel of the ``_Tilt`` twin is no marker any more."""
    program = Path(sys.executable).with_name("dcm2niix")
    with tempfile.TemporaryDirectory() as out:
        command = [program, "-z", "n", "-b", "n", "-f", "out", "-o", out, folder]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [path for path in Path(out).glob("*.nii") if "_Tilt" not in path.name]
        if run.returncode or len(found) != 1:
            raise NoImageError(f"exit code {run.returncode}, {len(found)} files")
        image = nib.load(found[0])
        return Placed(np.asanyarray(image.dataobj).copy(), image.affine)


READERS: dict[str, dict[str, Callable[[Path], Placed]]] = {
    "NIfTI": {"medpipe": read_with_medpipe, "nibabel": read_with_nibabel},
    "DICOM": {
        "medpipe": read_with_medpipe,
        "highdicom": read_with_highdicom,
        "dcm2niix": read_with_dcm2niix,
    },
}


@dataclass
class Tally:
    """Results of one reader on one group."""

    num_inputs: int = 0
    num_markers: int = 0
    max_error_mm: float = 0.0
    wrong: int = 0
    refused: dict[str, str] | None = None

    def add(self, errors_mm: Array) -> None:
        """Count an input that was read."""
        self.num_inputs += 1
        self.num_markers += len(errors_mm)
        self.max_error_mm = max(self.max_error_mm, float(errors_mm.max()))
        self.wrong += bool(errors_mm.max() > TOLERANCE_MM)

    def refuse(self, name: str, reason: str) -> None:
        """Count an input that the reader gave no image of."""
        self.num_inputs += 1
        self.refused = {**(self.refused or {}), name: reason}


def measure() -> dict[str, dict[str, Tally]]:
    tallies: dict[str, dict[str, Tally]] = {}
    for trial in trials():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(trial, folder)
            for reader, read in READERS["NIfTI" if trial.is_nifti else "DICOM"].items():
                tally = tallies.setdefault(trial.group, {}).setdefault(reader, Tally())
                try:
                    placed = read(folder)
                except NoImageError as error:
                    tally.refuse(trial.name, str(error))
                else:
                    tally.add(marker_errors_mm(placed.values, placed.affine, trial.phantom.markers))
    return tallies


def table(tallies: dict[str, dict[str, Tally]]) -> str:
    lines = [
        "| input | reader | inputs | markers | largest error, mm | inputs off by > 1e-3 mm | refused |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for group, readers in tallies.items():
        for reader, tally in readers.items():
            error = f"{tally.max_error_mm:.2g}" if tally.num_markers else "–"
            if tally.wrong:
                error = f"**{error}**"
            lines.append(
                f"| {group} | {reader} | {tally.num_inputs} | {tally.num_markers} | {error} "
                f"| {tally.wrong} | {len(tally.refused or {})} |"
            )
    return "\n".join(lines)


def reasons(tallies: dict[str, dict[str, Tally]]) -> str:
    lines = []
    for group, readers in tallies.items():
        for reader, tally in readers.items():
            texts = sorted(set((tally.refused or {}).values()))
            lines += [f"- {reader}, {group}: {len(tally.refused or {})} refused ({text})" for text in texts]
    return "\n".join(lines) or "- none"


INTRODUCTION = """# Where readers put a voxel

Written by `python benchmarks/geometry.py`; do not edit by hand.

A marker phantom of {shape} voxels holds seven bright voxels, no two of them mirror images of each other.
It is written in every orientation, and each reader is asked where in the world (mm) it puts each marker. The
truth is the affine that the phantom was written with. A marker that is lost or doubled counts as infinitely
far off.

NIfTI holds all 48 orientations, mirrored storage included. A DICOM series has 24, as the order of its files
means nothing: instance numbers ascend, descend or are shuffled. Gantry tilt has no oracle: the truth is the
generator's own slice positions, which lie along the table while the slices are turned by the tilt. Of the
two files that dcm2niix then writes, the one that it did not interpolate is judged.
"""


def main() -> None:
    tallies = measure()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    as_json = {g: {r: vars(t) for r, t in readers.items()} for g, readers in tallies.items()}
    RESULTS.write_text(json.dumps(as_json, indent=1) + "\n")
    introduction = INTRODUCTION.format(shape=" x ".join(map(str, PHANTOM_SHAPE)))
    text = f"{introduction}\n{table(tallies)}\n\nRefusals:\n\n{reasons(tallies)}\n"
    DOCUMENT.write_text(text)
    print(text)
    own = [readers["medpipe"] for readers in tallies.values()]
    if any(tally.wrong or tally.refused for tally in own):
        sys.exit("medpipe put a marker in the wrong place, or refused an input")


if __name__ == "__main__":
    main()
