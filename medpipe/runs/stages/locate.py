"""Stage ``locate``: finds a structure in a whole head and crops both sides of it."""

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import CodedConcept, Measurement, QualityFlag, flag
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.runs.stages.sides import SIDES, side_role

if TYPE_CHECKING:
    from medpipe.core.volume import Volume
    from medpipe.transforms.registration import Registration

WHOLE_HEAD_MM: Final = 100.0
"""An image whose field of view is smaller along every axis is a crop."""

UPRIGHT_FROM_DEGREES: Final = 8.0
"""Turn from which on crops are interpolated to lie upright: models know smaller ones from training."""

_TEMPLATE_MM: Final = 2
_OWN: Final = "99MEDPIPE"


class LocateParams(Params):
    """Parameters of ``locate``."""

    structure: Literal["hippocampus"] = Field(
        default="hippocampus", description="What to look for; each side becomes an image of its own."
    )
    margin_mm: float = Field(
        default=5.0, ge=0.0, description="Added on every side of the structure's box in the template."
    )


class Locate(Stage):
    """Registers a T1 head to MNI152 and crops both sides of a structure, upright where the head is turned."""

    name: ClassVar[str] = "locate"
    version: ClassVar[str] = "2"
    resource: ClassVar[Resource] = Resource.CPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME, Good.FINDINGS})
    params_type: ClassVar[type[Params]] = LocateParams

    def __init__(self, params: LocateParams) -> None:
        self._params = params
        self._template: Volume | None = None

    def open(self, device: str) -> None:
        """Load the template."""
        from medpipe.io.template import load_mni

        self._template = load_mni(spacing_mm=_TEMPLATE_MM)

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Add ``ROLE_left`` and ``ROLE_right`` for each whole head; leave crops as they are."""
        from medpipe.core.volume import Volume

        for role, image in case.images.items():
            assert isinstance(image, Volume)
            if max(image.grid.field_of_view_mm) < WHOLE_HEAD_MM:
                case = case.adding(flags=(self._crop_note(role, image),))
            else:
                case = self._add_sides(case, role, image)
        return case

    def _add_sides(self, case: Case, role: str, head: "Volume") -> Case:
        from medpipe.transforms.registration import check_registration, register_head
        from medpipe.transforms.structure_crop import STRUCTURES, crop_structure
        from medpipe.transforms.upright_crop import grid_turn_degrees, upright_crop

        if self._template is None:
            raise RuntimeError("the stage was not opened")
        _refuse_unknown_sides(head)
        registration = register_head(head, self._template)
        check_registration(registration)
        structure = STRUCTURES[self._params.structure]
        turn = grid_turn_degrees(head, registration)
        is_turned = turn > UPRIGHT_FROM_DEGREES
        cut = upright_crop if is_turned else crop_structure
        images, sources = dict(case.images), dict(case.sources)
        flags = [self._turn_note(role, turn)] if is_turned else []
        for side in SIDES:
            crop = cut(head, registration, structure, side, margin_mm=self._params.margin_mm)
            name = side_role(role, side)
            images[name], sources[name] = crop.volume, crop.volume.source
            if crop.is_cut:
                flags.append(self._cut_note(name, crop.volume))
        case = case.adding(findings=self._measurements(role, registration), flags=tuple(flags))
        return case.with_(images=images, sources=sources)

    def _measurements(self, role: str, registration: "Registration") -> tuple[Measurement, ...]:
        return (
            self._quantity(role, "mutual information with the template", registration.metric, "1"),
            self._quantity(role, "size beside the template", registration.determinant, "1"),
            self._quantity(role, "turn against the template", registration.turn_degrees, "deg"),
            self._quantity(role, "distance of the two best starts", registration.agreement_mm, "mm"),
        )

    def _quantity(self, role: str, name: str, value: float, unit: str) -> Measurement:
        slug = name.replace(" ", "_")
        return Measurement(
            id=f"{self.name}/{role}/{slug}",
            code=CodedConcept(scheme=_OWN, value=slug, meaning="Registration to MNI152"),
            source=role,
            made_by=self.maker,
            name=name,
            value=round(value, 3),
            unit=unit,
        )

    def _crop_note(self, role: str, image: "Volume") -> QualityFlag:
        message = "The field of view is that of a crop: nothing was looked for, and its side was not checked"
        return flag(Code.W_CROP, message, found=_extent_of(image), source=role, made_by=self.maker)

    def _turn_note(self, role: str, degrees: float) -> QualityFlag:
        message = "The head is turned against the scan's axes: the crops were interpolated to lie upright"
        return flag(Code.W_TURNED, message, found=f"{degrees:.0f} degrees", source=role, made_by=self.maker)

    def _cut_note(self, role: str, image: "Volume") -> QualityFlag:
        message = "The box of the structure reaches beyond the scan: the crop is smaller"
        return flag(Code.W_BOUNDS, message, found=_extent_of(image), source=role, made_by=self.maker)


def _extent_of(image: "Volume") -> str:
    return " x ".join(f"{value:.0f}" for value in image.grid.field_of_view_mm) + " mm"


def _refuse_unknown_sides(head: "Volume") -> None:
    """Refuse a head without an orientation: the template is symmetric and cannot tell the sides apart."""
    if any(note.code is Code.W_NO_FORM for note in head.source.notes):
        raise RefusedError(
            Code.E_NO_FORM,
            "Left and right cannot be told apart: the file states no orientation",
            found="both form codes are 0",
            fix="Convert the scan again from its DICOM source.",
        )
