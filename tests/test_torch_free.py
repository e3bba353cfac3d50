"""Modules that pages and status need import no torch, whatever they import in turn."""

import subprocess
import sys

import pytest

TORCH_FREE = (
    "medpipe.core.findings",
    "medpipe.core.case",
    "medpipe.core.source",
    "medpipe.core.settings",
    "medpipe.core.grid",
    "medpipe.core.boxes",
    "medpipe.core.labels",
    "medpipe.core.preprocessing",
    "medpipe.io.study_folder",
    "medpipe.io.records.open_records",
    "medpipe.ehr.harmonise",
    "medpipe.io.records.predictions",
    "medpipe.reports.study",
    "medpipe.core.trajectory",
    "medpipe.io.records.trajectories",
    "medpipe.reports.evaluation",
    "medpipe.reports.trajectory",
    "medpipe.reports.kidney_cohort",
    "medpipe.zoo.finder",
    "medpipe.runs.summary",
    "medpipe.runs.pipeline",
)
HEAVY = ("torch", "monai", "matplotlib", "skimage", "nibabel", "pydicom")


@pytest.mark.parametrize("module", TORCH_FREE)
def test_module_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({set(HEAVY)!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
