"""What becomes of every real file at hand. Writes docs/real_series.md and results/shared_series.json.

Run: ``python benchmarks/shared_series.py [DATA_FOLDER]``; the folder holds ``dicom/`` and ``body_ct_mr/``.
"""

import json
import os
import sys
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import highdicom
import numpy as np
import pydicom

from medpipe.core.affine import LPS_FROM_RAS, apply_affine, inverse_of
from medpipe.core.errors import RefusedError
from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import SourceKind
from medpipe.core.volume import Volume
from medpipe.io.load import read_series
from medpipe.io.series import Form, Series
from medpipe.io.tree import index_tree

FOLDERS = ("dicom", "body_ct_mr")
DOCUMENT = Path("docs/real_series.md")
RESULTS = Path("benchmarks/results/shared_series.json")

NUM_SAMPLES = 2000
INDEX_TOLERANCE = 1e-3
VALUE_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Row:
    """What became of one image."""

    files: str
    image: str
    outcome: str
    codes: str
    why: str
    oracle: str


def data_folder() -> Path:
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MEDPIPE_TEST_DATA", "../shared/data")
    return Path(named).resolve()


def judge(series: Series, root: Path) -> list[Row]:
    """Read an image in its best form; what is refused as a volume is tried as slices too."""
    rows = [_judge_as(series, series.form, root)]
    if series.form is Form.VOLUME and series.kind is SourceKind.DICOM and rows[0].outcome == "refused":
        as_slices = _judge_as(series, Form.SLICES, root)
        if as_slices.outcome != "refused":
            rows.append(as_slices)
    return rows


def _judge_as(series: Series, form: Form, root: Path) -> Row:
    name, label = _name_files(series, root), _describe(series, form)
    try:
        image = read_series(series, form=form)
    except RefusedError as error:
        return Row(name, label, "refused", error.code.value, str(error), "")
    notes = image.source.notes
    return Row(
        files=name,
        image=f"{label}: {_describe_image(image)}",
        outcome="flagged" if notes else "loads",
        codes=" ".join(sorted({note.code.value for note in notes})),
        why="; ".join(f"{note.message} ({note.found})" if note.found else note.message for note in notes),
        oracle=_compare_with_highdicom(series, image) if isinstance(image, Volume) else "",
    )


def _compare_with_highdicom(series: Series, volume: Volume) -> str:
    """Compare places and values of voxels drawn at random with highdicom's volume."""
    if series.kind is not SourceKind.DICOM or series.num_slices < 2:
        return ""
    try:
        oracle = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in series.files])
    except (ValueError, RuntimeError, AttributeError, KeyError) as error:
        return f"highdicom refuses: {str(error).splitlines()[0][:80]}"
    voxels = np.random.default_rng(0).integers(0, volume.grid.shape, size=(NUM_SAMPLES, 3))
    places = apply_affine(inverse_of(LPS_FROM_RAS @ oracle.affine), apply_affine(volume.affine, voxels))
    indices = np.rint(places).astype(int)
    if np.abs(places - indices).max() > INDEX_TOLERANCE:
        return f"**off by {np.abs(places - indices).max():.3f} voxels**"
    own = volume.array[0].numpy()[tuple(voxels.T)]
    difference = np.abs(own - oracle.array[tuple(indices.T)]).max()
    return "same" if difference < VALUE_TOLERANCE else f"**values differ by {difference:g}**"


def _name_files(series: Series, root: Path) -> str:
    paths = [Path(path).relative_to(root) for path in series.files]
    if len(paths) == 1:
        return f"`{paths[0]}`"
    return f"`{os.path.commonpath(paths)}/`: {len(paths)} files"


def _describe(series: Series, form: Form) -> str:
    traits = "".join(f", {trait.value}" for trait in sorted(series.traits))
    return f"{series.modality or 'no modality'}{traits} as {form.value}"


def _describe_image(image: Volume | SliceStack | Planar) -> str:
    shape = " x ".join(map(str, image.array.shape))
    if not isinstance(image, Volume):
        return shape
    spacing = " x ".join(f"{step:.3g}" for step in image.grid.spacing)
    return f"{shape}, {spacing} mm, {image.grid.orientation}"


INTRODUCTION = """# What becomes of real files

Written by `python benchmarks/shared_series.py`; do not edit by hand.

Every file of two folders of public, de-identified images, as they lie there: one row an image. "As volume"
asks for a proven grid; what is refused so is tried as slices. Where highdicom can read a series too, 2,000
voxels drawn at random are compared: "same" means the same value at the same place.
"""


def main() -> None:
    warnings.simplefilter("ignore")  # the oracles' remarks on old headers
    root = data_folder()
    text, results = [INTRODUCTION], {}
    for folder in FOLDERS:
        index = index_tree((root / folder,))
        rows = [row for study in index.studies for series in study.series for row in judge(series, root)]
        rows.sort(key=lambda row: row.files)
        counts = Counter(row.outcome for row in rows)
        results[folder] = {
            "files": index.num_files,
            "studies": len(index.studies),
            "rows": [asdict(row) for row in rows],
            "skipped": [asdict(skipped) for skipped in index.skipped],
        }
        text += [f"## {folder}", f"{index.num_files} files, {len(index.studies)} studies; {dict(counts)}", ""]
        text += ["| files | image | outcome | code | why | highdicom |", "|---|---|---|---|---|---|"]
        text += [f"| {' | '.join(asdict(row).values())} |" for row in rows]
        text += ["", f"Not images ({len(index.skipped)}):", ""]
        text += [f"- `{skipped.path}`: {skipped.reason}" for skipped in index.skipped]
        text += [""]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    DOCUMENT.write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
