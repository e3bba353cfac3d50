"""A builder of small study folders."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.case import Figure
from medpipe.core.findings import Finding, FindingsRecord
from medpipe.core.source import GeometryCheck, GeometryNote, Source, SourceKind
from medpipe.io.study_folder import (
    FIGURE_LIST,
    FIGURES,
    FINDINGS,
    PROVENANCE,
    SOURCE,
    FigureEntry,
    FigureList,
    ImageSource,
    ImageSummary,
    Provenance,
    StageRecord,
    StudySource,
)

StudyBuilder = Callable[..., Path]


@pytest.fixture
def build_study(tmp_path: Path) -> StudyBuilder:
    """Return a function that writes a study folder and returns its path."""

    def build(
        findings: Sequence[Finding] = (),
        *,
        study: str = "s-3f9c21d07a",
        raw_findings: Sequence[dict[str, Any]] = (),
        figures: Sequence[Figure] = (),
        notes: tuple[GeometryNote, ...] = (),
        acquisition: dict[str, str] | None = None,
        stages: tuple[StageRecord, ...] = (),
    ) -> Path:
        folder = tmp_path / "study"
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        record = json.loads(FindingsRecord(study=study, findings=tuple(findings)).to_json())
        record["findings"] += raw_findings
        (folder / FINDINGS).write_text(json.dumps(record))
        image = ImageSource(
            summary=ImageSummary(
                form="volume",
                modality="CT",
                size=(512, 512, 40),
                spacing_mm=(0.5, 0.5, 5.0),
                orientation="LPS",
                extent_mm=(256.0, 256.0, 200.0),
            ),
            source=Source(
                kind=SourceKind.DICOM,
                sha256="ab" * 32,
                study_uid="1.2.3",
                series_uid="1.2.3.4",
                checks=(
                    GeometryCheck(
                        name="slices evenly spaced", passed=True, found="0.001 mm", limit="0.05 mm"
                    ),
                    GeometryCheck(
                        name="slices perpendicular", passed=False, found="15 degrees", limit="0.06"
                    ),
                ),
                notes=notes,
                acquisition=acquisition or {},
            ),
        )
        sources = StudySource(study=study, images={"image": image})
        (folder / SOURCE).write_text(sources.model_dump_json())
        provenance = Provenance(pipeline="measure", medpipe="0.1.0", libraries={"numpy": "2"}, stages=stages)
        (folder / PROVENANCE).write_text(provenance.model_dump_json())
        for figure in figures:
            (folder / FIGURES / f"{figure.name}.webp").write_bytes(figure.webp)
        entries = tuple(
            FigureEntry(
                name=figure.name,
                file=f"{figure.name}.webp",
                title=figure.title,
                caption=figure.caption,
                alt=figure.alt,
            )
            for figure in figures
        )
        (folder / FIGURE_LIST).write_text(FigureList(figures=entries).model_dump_json())
        return folder

    return build
