"""A head as planned: the anatomy with its masses and bleeds, before it is scanned."""

from dataclasses import dataclass

from medpipe.simulate.head_ct.anatomy import build_anatomy
from medpipe.simulate.head_ct.bleed import Bleed, BleedKind
from medpipe.simulate.head_ct.fluid_bleeds import bleed_into_subarachnoid, bleed_into_ventricles
from medpipe.simulate.head_ct.head_grid import Field
from medpipe.simulate.head_ct.intracerebral import bleed_into_tissue, mass_of
from medpipe.simulate.head_ct.mass_effect import Mass, Midline
from medpipe.simulate.head_ct.pale_masses import mass_of_pale, with_pale_mass
from medpipe.simulate.head_ct.person import head_point_mm
from medpipe.simulate.head_ct.plan import HeadPlan

_DOWN = (0.0, -1.0, 0.0)
"""The patient lies on the back."""


@dataclass(frozen=True, eq=False)
class Head:
    """A head in its own frame.

    Attributes:
        hu: ``(I, J, K)`` Hounsfield units on :data:`HEAD_GRID`.
        bleeds: Blood of each kind that there is.
        midline: Where the midline lies.
    """

    hu: Field
    bleeds: dict[BleedKind, Bleed]
    midline: Midline

    def volume_ml(self, kind: BleedKind) -> float:
        """Return the volume of one kind of bleed; 0 where there is none."""
        return self.bleeds[kind].volume_ml if kind in self.bleeds else 0.0


def build_head(plan: HeadPlan) -> Head:
    """Return a head as planned."""
    person = plan.person
    anatomy = build_anatomy(person, _mass(plan))
    bleeds: dict[BleedKind, Bleed] = {}
    hu = anatomy.hu
    if plan.pale is not None:
        hu = with_pale_mass(plan.pale, anatomy, person, head_point_mm(person, plan.pale.template_mm))
    if plan.haematoma is not None:
        centre = head_point_mm(person, plan.haematoma.template_mm)
        bleed, oedema = bleed_into_tissue(plan.haematoma, anatomy, centre)
        hu[bleed.box] -= oedema
        bleeds[BleedKind.INTRACEREBRAL] = _add(hu, bleed)
    if plan.ventricular is not None:
        down = plan.scan.pose[:3, :3].T @ _DOWN
        bleed = bleed_into_ventricles(plan.ventricular, anatomy, hu, down)
        bleeds[BleedKind.INTRAVENTRICULAR] = _add(hu, bleed)
    if plan.subarachnoid is not None:
        centre = head_point_mm(person, plan.subarachnoid.template_mm)
        bleed = bleed_into_subarachnoid(plan.subarachnoid, anatomy, hu, centre)
        bleeds[BleedKind.SUBARACHNOID] = _add(hu, bleed)
    return Head(hu, bleeds, anatomy.midline)


def _mass(plan: HeadPlan) -> Mass | None:
    if plan.haematoma is not None:
        return mass_of(plan.haematoma, plan.person)
    return None if plan.pale is None else mass_of_pale(plan.pale, plan.person)


def _add(hu: Field, bleed: Bleed) -> Bleed:
    """Raise the head's density by a bleed, in place, and return the bleed."""
    hu[bleed.box] += bleed.rise
    return bleed
