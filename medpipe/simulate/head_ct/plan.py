"""What a simulated head will be, drawn from a seed before anything is made."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.simulate.head_ct.fluid_bleeds import (
    SubarachnoidBleed,
    VentricularBleed,
    draw_subarachnoid,
    draw_ventricular,
)
from medpipe.simulate.head_ct.intracerebral import Haematoma, draw_haematoma
from medpipe.simulate.head_ct.pale_masses import PaleMass, draw_pale_mass
from medpipe.simulate.head_ct.person import Person, draw_person
from medpipe.simulate.head_ct.scan_plan import ScanPlan, draw_scan

SUSPECT_SHARE: Final = 0.8
BLEED_SHARE: Final = 0.42
"""Share of heads that may hold findings, and of those in which each kind of bleed is drawn, independently.

Each bleed is thus drawn in 34 % of all heads, and 32 % hold nothing at all: for training, not as in a clinic.
"""
PALE_MASS_SHARE: Final = 0.25
"""Share of suspect heads without a bleed into the tissue that hold an infarct or a tumour."""

_PERSON, _FINDINGS, _SCAN = range(3)
"""Random streams of a seed: what is drawn in one does not move another."""


@dataclass(frozen=True)
class HeadPlan:
    """A head and its scan, as drawn.

    Attributes:
        person: The healthy part.
        haematoma: Bleed into the tissue, if any.
        ventricular: Bleed into the ventricles, if any.
        subarachnoid: Bleed into the subarachnoid space, if any.
        pale: Infarct or tumour, if any; never beside a bleed into the tissue.
        scan: How it is scanned.
    """

    person: Person
    haematoma: Haematoma | None
    ventricular: VentricularBleed | None
    subarachnoid: SubarachnoidBleed | None
    pale: PaleMass | None
    scan: ScanPlan


def draw_plan(seed: int, *, num_slices: int | None = None) -> HeadPlan:
    """Draw a head and its scan.

    Args:
        seed: Of everything.
        num_slices: 8 to 64; drawn where None.

    Raises:
        ShapeError: The number of slices lies outside.
    """
    person = draw_person(np.random.default_rng((seed, _PERSON)))
    rng = np.random.default_rng((seed, _FINDINGS))
    is_suspect = rng.uniform() < SUSPECT_SHARE
    tissue, ventricles, space = (bool(drawn) for drawn in (rng.uniform(size=3) < BLEED_SHARE) & is_suspect)
    has_pale = bool(is_suspect and not tissue and rng.uniform() < PALE_MASS_SHARE)
    return HeadPlan(
        person=person,
        haematoma=draw_haematoma(rng) if tissue else None,
        ventricular=draw_ventricular(rng) if ventricles else None,
        subarachnoid=draw_subarachnoid(rng) if space else None,
        pale=draw_pale_mass(rng) if has_pale else None,
        scan=draw_scan(np.random.default_rng((seed, _SCAN)), person, num_slices=num_slices),
    )
