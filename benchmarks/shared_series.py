"""What becomes of every real file at hand. Writes docs/real_series.md and results/shared_series.json.

Run: ``python benchmarks/shared_series.py [DATA_FOLDER]``; the folder holds ``dicom/`` and ``body_ct_mr/``.
"""

import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import highdicom
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import CTImageStorage

from medpipe.core.affine import LPS_FROM_RAS, apply_affine, inverse_of
from medpipe.core.errors import RefusedError
from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import SourceKind
from medpipe.core.volume import Volume
from medpipe.io.dicom.uids import derive_uid
from medpipe.io.load import read_series
from medpipe.io.series import Form, Series, TreeIndex
from medpipe.io.tree import index_tree

FOLDERS = ("dicom", "body_ct_mr")
DOCUMENT = Path("docs/real_series.md")
RESULTS = Path("benchmarks/results/shared_series.json")

NUM_SAMPLES = 2000
INDEX_TOLERANCE = 1e-3
VALUE_TOLERANCE = 1e-2

Values = npt.NDArray[np.floating]


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


def indexed_by_folder(root: Path) -> Iterator[tuple[Path, TreeIndex]]:
    """Index the files of each folder alone: some folders hold the same series in another encoding."""
    for folder, _, names in sorted(os.walk(root)):
        if names:
            yield Path(folder), index_tree(Path(folder) / name for name in sorted(names))


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
    datasets = [pydicom.dcmread(path) for path in series.files]
    for dataset in datasets:  # highdicom insists on identifiers that some of these files lack
        dataset.FrameOfReferenceUID = dataset.get("FrameOfReferenceUID") or derive_uid("stand-in")
        dataset.SOPClassUID = dataset.get("SOPClassUID") or CTImageStorage
    try:
        oracle = highdicom.get_volume_from_series(datasets)
    except (ValueError, RuntimeError, AttributeError, KeyError) as error:
        return f"highdicom refuses: {str(error).splitlines()[0][:80]}"
    voxels = np.random.default_rng(0).integers(0, volume.grid.shape, size=(NUM_SAMPLES, 3))
    places = apply_affine(inverse_of(LPS_FROM_RAS @ oracle.affine), apply_affine(volume.affine, voxels))
    indices = np.rint(places).astype(int)
    if np.abs(places - indices).max() > INDEX_TOLERANCE:
        return f"**off by {np.abs(places - indices).max():.3f} voxels**"
    own, theirs = volume.array[0].numpy()[tuple(voxels.T)], oracle.array[tuple(indices.T)]
    return _compare_values(own, theirs, _padding_of(datasets[0]))


def _compare_values(own: Values, theirs: Values, padding: float) -> str:
    padded = theirs == padding
    difference = np.abs(own - theirs)[~padded].max()
    if difference > VALUE_TOLERANCE:
        return f"**values differ by {difference:g}**"
    return f"same, save for {padded.mean():.0%} padding" if padded.any() else "same"


def _padding_of(dataset: pydicom.Dataset) -> float:
    """Return the rescaled padding value, which medpipe replaces and highdicom keeps."""
    stored = dataset.get("PixelPaddingValue", float("nan"))
    return float(stored * dataset.get("RescaleSlope", 1) + dataset.get("RescaleIntercept", 0))


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

Every file of two folders of public, de-identified images: one row an image, each folder read alone. An image
is asked for as a proven volume; what is refused so is tried as slices. Where highdicom can read a series too,
2,000 voxels drawn at random are compared: "same" means the same value at the same place. Identifiers without
which highdicom refuses a file are filled in for it. At the end of each part stands what changes when the
whole tree is read at once, as some of these folders hold the same series in several encodings.
"""


def section(folder: str, root: Path) -> tuple[list[str], dict[str, object]]:
    indices = list(indexed_by_folder(root / folder))
    rows = [row for _, index in indices for row in judged(index, root)]
    skipped = {
        str((path / item.path).relative_to(root)): item.reason
        for path, index in indices
        for item in index.skipped
    }
    num_files = sum(index.num_files for _, index in indices)
    counts = Counter(row.outcome for row in rows)
    in_one_go = judged(index_tree((root / folder,)), root)
    merged = sorted(set(in_one_go) - set(rows), key=lambda row: row.files)
    text = [
        f"## {folder}",
        "",
        f"{num_files} files; images: {_counted(counts)}.",
        "",
        *_table(rows),
        "",
        f"Not images: {len(skipped)} files.",
        "",
        *(f"- `{path}`: {reason}" for path, reason in skipped.items()),
        "",
        f"The whole tree at once: {_counted(Counter(row.outcome for row in in_one_go))}. What differs:",
        "",
        *(_table(merged) if merged else ["nothing."]),
        "",
    ]
    return text, {
        "files": num_files,
        "by_folder": [asdict(row) for row in rows],
        "in_one_go": [asdict(row) for row in in_one_go],
        "skipped": skipped,
    }


def judged(index: TreeIndex, root: Path) -> list[Row]:
    rows = [row for study in index.studies for series in study.series for row in judge(series, root)]
    return sorted(rows, key=lambda row: row.files)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))


def _table(rows: list[Row]) -> list[str]:
    head = ["| files | image | outcome | code | why | highdicom |", "|---|---|---|---|---|---|"]
    return head + [f"| {' | '.join(asdict(row).values())} |" for row in rows]


def main() -> None:
    warnings.simplefilter("ignore")  # the oracles' remarks on old headers
    root = data_folder()
    if not (root / FOLDERS[0]).is_dir():
        print(f"Skipped: there is no real data at {root} (set MEDPIPE_TEST_DATA).")
        return
    text, results = [INTRODUCTION], {}
    for folder in FOLDERS:
        lines, results[folder] = section(folder, root)
        text += lines
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    DOCUMENT.write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
