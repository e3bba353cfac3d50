"""Stage ``measure``: body or head volume, intensities, air and bone, without any learned model."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from medpipe.core.case import Case, Mask
from medpipe.core.codes import Code
from medpipe.core.findings import (
    CodedConcept,
    Finding,
    Measurement,
    QualityFlag,
    Structure,
    flag,
    intensity_unit,
)
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext

if TYPE_CHECKING:
    from medpipe.core.case import Image
    from medpipe.figures.histogram import Band
    from medpipe.metrics.body import BodyMeasures

_BODY = CodedConcept(scheme="SCT", value="123037004", meaning="Body structure")
_OWN = "99MEDPIPE"


class MeasureParams(Params):
    """Parameters of ``measure``."""

    thin_to_mm: float = Field(
        default=2.0,
        gt=0.0,
        description="Look for the body on a grid thinned to about this spacing; sizes are in mm.",
    )
    air_below_hu: float = Field(default=-500.0, description="CT: voxels of the body below this are air.")
    bone_above_hu: float = Field(default=300.0, description="CT: voxels of the body above this are bone.")
    mask: bool = Field(default=True, description="Keep the mask of the body and draw its outline.")


class Measure(Stage):
    """Measures what needs no model: the largest object by Otsu's threshold and its intensities."""

    name: ClassVar[str] = "measure"
    version: ClassVar[str] = "2"
    resource: ClassVar[Resource] = Resource.CPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME, Good.SLICES, Good.PLANAR})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FINDINGS, Good.MASKS, Good.FIGURES})
    params_type: ClassVar[type[Params]] = MeasureParams

    def __init__(self, params: MeasureParams) -> None:
        self._params = params

    def open(self, device: str) -> None:
        """Import scikit-image, so that the first study does not pay for it."""
        import medpipe.metrics.body  # noqa: F401

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Measure each image."""
        for role, image in case.images.items():
            case = self._measure(case, role, image)
        return case

    def _measure(self, case: Case, role: str, image: "Image") -> Case:
        from medpipe.core.planar import Planar
        from medpipe.metrics.body import measure_body, measure_intensities

        if isinstance(image, Planar):
            values = image.array.numpy()
            return case.adding(findings=self._intensities(role, image.modality, measure_intensities(values)))
        return self._add_body(case, role, image, measure_body(image, thin_to_mm=self._params.thin_to_mm))

    def _add_body(self, case: Case, role: str, image: "Image", body: "BodyMeasures") -> Case:
        from medpipe.core.volume import Volume
        from medpipe.figures.histogram import Threshold, draw_histogram

        if body.is_flat:
            message = "The image holds a single value; nothing was measured"
            return case.adding(flags=(self._flag(Code.W_EMPTY, message, f"{body.threshold:g}", role),))
        findings: list[Finding] = [
            self._quantity(role, "body volume", body.volume_ml, "mL", "Volume in the field of view")
        ]
        flags = []
        if body.touched_faces:
            message = "The body touches the edge of the field of view: its volume is a part"
            flags.append(self._flag(Code.W_BOUNDS, message, ", ".join(body.touched_faces), role))
        bands = self._bands(body) if image.modality == "CT" else ()
        findings += [
            self._quantity(role, f"{band.label} fraction", band.fraction * 100, "%", "Share of the body")
            for band in bands
        ]
        findings += self._intensities(role, image.modality, body.intensities)
        figure = draw_histogram(
            body.values,
            unit="HU" if image.modality == "CT" else "",
            bands=bands,
            thresholds=(Threshold("threshold of the body", body.threshold),),
        )
        if len(case.images) > 1:
            figure = replace(figure, name=f"{figure.name}-{role}", title=f"{figure.title} ({role})")
        case = case.adding(findings=tuple(findings), flags=tuple(flags), figures=(figure,))
        if not (self._params.mask and isinstance(image, Volume)):
            return case
        name = f"{role}_body"
        structure = Structure(
            id=f"{self.name}/{role}/body",
            code=_BODY,
            source=role,
            made_by=self.maker,
            mask=name,
            label=1,
            volume_ml=body.volume_ml,
        )
        mask = Mask(labels=body.full_mask(), role=role, names={1: "body"})
        return case.adding(findings=(structure,)).with_(masks={**case.masks, name: mask})

    def _bands(self, body: "BodyMeasures") -> "tuple[Band, ...]":
        from medpipe.figures.histogram import Band

        air, bone = body.fractions(self._params.air_below_hu, self._params.bone_above_hu)
        return (
            Band("air", -math.inf, self._params.air_below_hu, air),
            Band("bone", self._params.bone_above_hu, math.inf, bone),
        )

    def _intensities(self, role: str, modality: str, values: dict[str, float]) -> tuple[Measurement, ...]:
        unit = intensity_unit(modality)
        return tuple(
            self._quantity(role, name, value, unit, "Intensity in the body") for name, value in values.items()
        )

    def _quantity(self, role: str, name: str, value: float, unit: str, meaning: str) -> Measurement:
        slug = name.lower().replace(" ", "_")
        return Measurement(
            id=f"{self.name}/{role}/{slug}",
            code=CodedConcept(scheme=_OWN, value=slug, meaning=meaning),
            source=role,
            made_by=self.maker,
            name=name,
            value=round(value, 4),
            unit=unit,
        )

    def _flag(self, code: Code, message: str, found: str, role: str) -> QualityFlag:
        return flag(code, message, found=found, source=role, made_by=self.maker)
