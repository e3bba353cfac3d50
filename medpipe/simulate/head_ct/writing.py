"""Simulated head CTs as a data set: a DICOM series a study, and tables of what studies and slices show."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from medpipe.io.atomic import write_text
from medpipe.io.dicom.write import SeriesLabels, instance_uid, write_series
from medpipe.simulate.head_ct.bleed import BleedKind
from medpipe.simulate.head_ct.studies import HeadStudy, simulated_head_ct
from medpipe.simulate.head_ct.truth import LABELS

STUDIES_TABLE, SLICES_TABLE = "studies.csv", "slices.csv"

STUDY_COLUMNS: Final = (
    *("id", "image", "patient", *LABELS, "midline_shift_mm"),
    *(*(f"{kind.value}_ml" for kind in BleedKind), "num_slices", "tilt_degrees", "seed"),
)
"""Of ``studies.csv``: labels are 0 or 1; what follows the shift is for analysis, not for learning."""
SLICE_COLUMNS: Final = ("id", "slice", *LABELS)
"""Of ``slices.csv``; ``slice`` is the SOPInstanceUID."""


def write_head_cts(
    folder: Path, seeds: Iterable[int], *, pixel_mm: float = 1.0, num_slices: int | None = None
) -> Path:
    """Write simulated head CTs: a folder ``head-00000`` for each seed, ``studies.csv`` and ``slices.csv``.

    Args:
        folder: Made if absent.
        seeds: One study for each; the same seeds give the same bytes.
        pixel_mm: In-plane spacing.
        num_slices: 8 to 64 of every study; drawn where None.

    Returns:
        The table of the studies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    studies: list[Sequence[object]] = [STUDY_COLUMNS]
    slices: list[Sequence[object]] = [SLICE_COLUMNS]
    for seed in seeds:
        study = simulated_head_ct(seed, pixel_mm=pixel_mm, num_slices=num_slices)
        case_id = f"head-{seed:05d}"
        labels = series_labels(case_id)
        write_series(study.image, folder / case_id, labels=labels)
        studies.append(_study_row(study, case_id, seed))
        slices += [
            (case_id, instance_uid(labels, index), *map(int, shown))
            for index, shown in enumerate(study.truth.visible)
        ]
    _write_table(folder / SLICES_TABLE, slices)
    _write_table(folder / STUDIES_TABLE, studies)
    return folder / STUDIES_TABLE


def series_labels(case_id: str) -> SeriesLabels:
    """Return what the series of a simulated head says of itself."""
    return SeriesLabels(
        seed=f"simulated head CT {case_id}",
        series_description="simulated head CT",
        patient_name=f"SIM^{case_id.upper()}",
        patient_id=f"SIM-{case_id.upper()}",
        study_description="Simulated head CT",
    )


def _study_row(study: HeadStudy, case_id: str, seed: int) -> Sequence[object]:
    truth = study.truth
    return (
        *(case_id, case_id, case_id),
        *(int(truth.labels[name]) for name in LABELS),
        f"{truth.midline_shift_mm:.2f}",
        *(f"{truth.volumes_ml[kind]:.3f}" for kind in BleedKind),
        *(study.image.num_slices, f"{study.plan.scan.tilt_degrees:.2f}", seed),
    )


def _write_table(path: Path, rows: list[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())
