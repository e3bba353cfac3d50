"""Validation: reads every series of a tree and says whether its geometry and pixels hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medpipe.core.errors import RefusedError
from medpipe.io.series import Form, Series, TreeIndex
from medpipe.io.tree import index_tree
from medpipe.runs.folder.book import Progress


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one series.

    Attributes:
        path: First file, relative to the root.
        modality: DICOM modality; empty where the file states none.
        form: What it was read into.
        size: Voxels along each array axis; empty for a refused series.
        spacing_mm: Along the same axes, as far as known.
        orientation: Axis codes; empty where there is no volume.
        codes: Flags, or the code of the refusal.
        message: Why it was refused or flagged.
        is_refused: Whether it cannot be used.
    """

    path: str
    modality: str
    form: str
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    orientation: str
    codes: tuple[str, ...]
    message: str
    is_refused: bool


def validate(
    inputs: Sequence[Path], *, form: Form | str = Form.VOLUME, progress: Progress | None = None
) -> tuple[TreeIndex, tuple[Verdict, ...]]:
    """Read every series, pixels included, and report on each; nothing is written.

    Args:
        inputs: Files and folders.
        form: What cross-sectional series are to become.
        progress: Called as the work goes on.

    Returns:
        The index, and one verdict a series.
    """
    index = index_tree(inputs)
    pairs = [(study, series) for study in index.studies for series in study.series]
    verdicts = []
    for number, (study, series) in enumerate(pairs):
        path = study.paths[0] if study.paths else ""
        verdicts.append(judge_series(series, path, Form(form)))
        if progress is not None:
            progress("run", number + 1, len(pairs))
    return index, tuple(verdicts)


def judge_series(series: Series, path: str, form: Form) -> Verdict:
    """Read one series and say what was found."""
    from medpipe.io.load import read_series
    from medpipe.io.study_writer import summarise_image

    try:
        if series.refusal is not None:
            raise series.refusal
        image = read_series(series, form=Form.PLANAR if series.form is Form.PLANAR else form)
    except RefusedError as error:
        return Verdict(
            path, series.modality, series.form.value, (), (), "", (error.code.value,), str(error), True
        )
    summary = summarise_image(image)
    notes = image.source.notes
    return Verdict(
        path=path,
        modality=image.modality,
        form=summary.form,
        size=summary.size,
        spacing_mm=summary.spacing_mm,
        orientation=summary.orientation,
        codes=tuple(note.code.value for note in notes),
        message="; ".join(f"{note.message} ({note.found})" if note.found else note.message for note in notes),
        is_refused=False,
    )
