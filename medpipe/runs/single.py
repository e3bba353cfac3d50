"""Single stages, as the shell and Python call them: one scan or a few, without a pipeline file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, RefusedError
from medpipe.core.findings import FindingsRecord
from medpipe.core.settings import SettingsFile
from medpipe.io.series import Form, Study
from medpipe.io.tree import index_tree
from medpipe.runs.catalogue import STAGES, stage_class
from medpipe.runs.choice import choose_inputs
from medpipe.runs.folder.book import Progress
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import Pipeline, RoleRule, build_pipeline
from medpipe.runs.runner import run
from medpipe.runs.stage import Good, StageContext
from medpipe.runs.summary import RunSummary
from medpipe.runs.unit import Unit

if TYPE_CHECKING:
    from medpipe.core.case import Image

ROLE: Final = "image"
ANY_IMAGE: Final = {
    ROLE: {"form": ["volume", "planar"], "prefer": "most_slices", "allow": ["derived", "secondary capture"]}
}
_AROUND: Final[Mapping[str, tuple[str, ...]]] = {
    "load": ("load",),
    "measure": ("load", "measure"),
    "classify": ("load", "classify", "report"),
    "segment": ("load", "segment", "report"),
    "report": ("load", "measure", "report"),
}
"""What the shell's command of a stage runs: the stage and what it cannot do without."""


def stage_pipeline(
    stage: str, params: Mapping[str, Any], *, forms: Sequence[Form] = (Form.VOLUME, Form.PLANAR)
) -> Pipeline:
    """Return the pipeline behind the shell's command of a stage."""
    kind = stage_class(STAGES[stage])
    takes = kind.takes
    if kind.of_slices and Form.SLICES not in forms:
        forms = (*forms, Form.SLICES)
    suited = [form.value for form in forms if not takes or Good(form.value) in takes]
    accepts = {ROLE: {**ANY_IMAGE[ROLE], "form": suited}}
    stages = [{"use": name, **(params if name == stage else {})} for name in _AROUND[stage]]
    return build_pipeline(
        SettingsFile(f"medpipe {stage}", {"name": stage, "accepts": accepts, "stages": stages}, {})
    )


def run_stage(
    stage: str,
    inputs: Sequence[Path],
    output: Path,
    *,
    params: Mapping[str, Any] | None = None,
    forms: Sequence[Form] = (Form.VOLUME, Form.PLANAR),
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Run one stage, and what it needs before it, over scans; ``output`` becomes a run folder.

    Args:
        stage: ``"load"``, ``"measure"`` or ``"report"``.
        inputs: Files and folders.
        output: Run folder.
        params: Parameters of the stage.
        forms: Values that images may be read into, best first.
        options: How to work; in this process unless said otherwise.
        progress: Called as the work goes on.
    """
    return run(
        stage_pipeline(stage, params or {}, forms=forms),
        inputs,
        output,
        options=options or RunOptions(workers=0),
        progress=progress,
    )


def report(
    inputs: Sequence[str | Path] | str | Path, output: str | Path, *, options: RunOptions | None = None
) -> RunSummary:
    """Go from images to findings and HTML reports.

    Args:
        inputs: Files and folders.
        output: Run folder; each study's page is ``studies/ID/report.html``.
        options: How to work; in this process unless said otherwise.
    """
    listed = [inputs] if isinstance(inputs, str | Path) else inputs
    return run_stage("report", [Path(path) for path in listed], Path(output), options=options)


def load(path: str | Path, *, form: Form | str = Form.VOLUME) -> "Image":
    """Read the one image that a file or folder holds.

    Args:
        path: A file, or a folder with one study.
        form: ``"volume"``, ``"slices"`` or ``"planar"``; a radiograph is always planar.

    Returns:
        A Volume, SliceStack or Planar.

    Raises:
        NoInputError: There is no image.
        RefusedError: The geometry or the pixels are at fault, or there are several studies.
    """
    from medpipe.io.load import read_series

    study = _only_study(Path(path))
    rule = RoleRule.model_validate({**ANY_IMAGE[ROLE], "form": [Form(form), Form.PLANAR]})
    chosen = choose_inputs(study, {ROLE: rule})[0][ROLE]
    return read_series(chosen.series, form=chosen.forms[0])


def measure(path: str | Path, **params: Any) -> FindingsRecord:
    """Measure the one image that a file or folder holds, without writing anything.

    Args:
        path: A file, or a folder with one study.
        **params: Parameters of the stage ``measure``.

    Returns:
        Flags and measurements; the study id is ``"unnamed"``, as no key is used.

    Raises:
        NoInputError: There is no image.
        RefusedError: The image cannot be read, or there are several studies.
    """
    from medpipe.core.case import Case

    pipeline = stage_pipeline("measure", params)
    study = _only_study(Path(path))
    inputs, _ = choose_inputs(study, pipeline.accepts)
    unit = Unit("unnamed", str(path), inputs=inputs)
    context = StageContext("cpu", 0, Path(), unit)
    case = Case(unit.id)
    for spec in pipeline.stages:
        stage = spec.make()
        stage.open(context.device)
        case = stage(case, context)
    return case.record()


def _only_study(path: Path) -> Study:
    index = index_tree([path])
    if not index.studies:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"{path} holds no image",
            found="; ".join(item.reason for item in index.skipped[:3]) or "no files",
            fix="Name a DICOM folder, a NIfTI file or a picture.",
        )
    if len(index.studies) > 1:
        raise RefusedError(
            Code.E_AMBIGUOUS,
            f"{path} holds several studies",
            found=f"{len(index.studies)} studies",
            fix="Name one of them, or use 'medpipe run' for all.",
        )
    return index.studies[0]
