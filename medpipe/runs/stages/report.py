"""Stage ``report``: draws the pictures of a case and has its documents written."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from medpipe.core.case import Case, Figure
from medpipe.core.codes import Code
from medpipe.reports.study import render_study
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.runs.stages.sides import is_side

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from medpipe.core.case import Image


class ReportParams(Params):
    """Parameters of ``report``."""

    formats: tuple[Literal["html", "json"], ...] = Field(
        default=("html", "json"), min_length=1, description="Documents to write."
    )
    figures: bool = Field(default=True, description="Draw the image in three planes.")


class Report(Stage):
    """Draws mosaics with outlines of the masks, then writes documents from the study folder."""

    name: ClassVar[str] = "report"
    version: ClassVar[str] = "3"
    resource: ClassVar[Resource] = Resource.CPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME, Good.SLICES, Good.PLANAR})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FIGURES})
    params_type: ClassVar[type[Params]] = ReportParams

    def __init__(self, params: ReportParams) -> None:
        self._params = params

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Draw each image; what was cut out of one is shown within it."""
        if not self._params.figures:
            return case
        shown = {role: image for role, image in case.images.items() if not is_side(case, role)}
        for role, image in shown.items():
            figures = _draw(case, role, image)
            if len(shown) > 1:
                figures = tuple(
                    replace(item, name=f"{item.name}-{role}", title=f"{item.title} ({role})")
                    for item in figures
                )
            case = case.adding(figures=figures)
        return case

    def document(self, case: Case, folder: Path, context: StageContext) -> None:
        """Write the documents."""
        render_study(folder, formats=self._params.formats)


def _draw(case: Case, role: str, image: "Image") -> tuple[Figure, ...]:
    from medpipe.core.planar import Planar, SpacingKind
    from medpipe.core.volume import Volume
    from medpipe.figures.contact_sheet import draw_contact_sheet
    from medpipe.figures.mosaic import draw_mosaics
    from medpipe.figures.planar import draw_radiograph

    if isinstance(image, Planar):
        figure = draw_radiograph(
            image.array[0].numpy(),
            pixel_spacing_mm=image.pixel_spacing_mm,
            is_calibrated=image.spacing_kind is SpacingKind.CALIBRATED,
            view=image.view,
            laterality=image.laterality,
        )
        return (figure,)
    if isinstance(image, Volume):
        contours, names = _outlines(case, role)
        return draw_mosaics(
            image.array[0].numpy(),
            image.affine,
            modality=image.modality,
            contours=contours,
            names=names,
            is_oriented=all(note.code is not Code.W_NO_FORM for note in image.source.notes),
        )
    sheet = draw_contact_sheet(
        image.array[:, 0].numpy(), image.in_plane_mm, image.positions_mm, modality=image.modality
    )
    return (sheet,)


def _outlines(case: Case, role: str) -> "tuple[npt.NDArray[np.integer[Any]] | None, Mapping[int, str]]":
    """Return the label map drawn on an image: its first mask, and those that name the same structures."""
    import numpy as np

    masks = [mask for mask in case.masks.values() if mask.role == role]
    if not masks:
        return None, {}
    names = masks[0].names
    alike = [mask.labels for mask in masks if mask.names == names]
    return np.maximum.reduce(alike), names
