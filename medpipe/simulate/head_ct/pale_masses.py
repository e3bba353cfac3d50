"""Infarcts and tumours: masses without blood, so that mass effect is no copy of a bleed into the tissue."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.anatomy import Anatomy
from medpipe.simulate.head_ct.blobs import draw_blob
from medpipe.simulate.head_ct.head_grid import Field
from medpipe.simulate.head_ct.intracerebral import ATROPHY_ROOM, PUSH_MM_PER_ML, PUSH_SCATTER, tissue_around
from medpipe.simulate.head_ct.mass_effect import Mass, sphere_radius_mm
from medpipe.simulate.head_ct.person import Person, head_point_mm


class PaleKind(StrEnum):
    """What the mass is."""

    INFARCT = "infarct"
    """Swollen, both grey and white matter pale."""
    TUMOUR = "tumour"
    """As dense as the brain or a little denser or paler, with oedema of the white matter around it."""


INFARCT_SHARE: Final = 0.6
INFARCT_ML: Final = (15.0, 180.0)
INFARCT_HU: Final = (18.0, 28.0)
SWELLING: Final = (0.15, 0.6)
"""Part of all pale masses, volume (evenly over its logarithm), density of dead tissue, and share of its
volume that came as water.

Source:
    medpipe; oedematous brain 10 to 14 HU in full (The Neurosurgical Atlas, "Neuroradiology", 2018).
"""

TUMOUR_ML: Final = (3.0, 50.0)
TUMOUR_STEP_HU: Final = (-8.0, 7.0)
TUMOUR_OEDEMA_RATIO: Final = (1.0, 3.5)
TUMOUR_OEDEMA_HU: Final = (5.0, 11.0)
TUMOUR_OEDEMA_MASS_SHARE: Final = 0.25
"""Volume, density against grey matter, and oedema of tumours: its volume, loss of density, and the part of it
that takes room.

Source:
    medpipe.
"""

_INFARCT_PLACES_MM: Final = ((44.0, -6.0, 14.0), (46.0, -34.0, 24.0), (40.0, 22.0, 14.0), (26.0, -72.0, 6.0))
_TUMOUR_PLACES_MM: Final = ((30.0, 34.0, 26.0), (34.0, -42.0, 36.0), (44.0, -20.0, -10.0), (26.0, -2.0, 20.0))
_PLACE_SCATTER_MM: Final = 6.0
_EDGE_MM: Final = 7.0


@dataclass(frozen=True)
class PaleMass:
    """An infarct or a tumour, as drawn.

    Attributes:
        kind: Which.
        seed: Of its shape.
        template_mm: About where it lies in the template.
        volume_ml: Without oedema.
        hu: Density of the infarct, or the tumour's against grey matter.
        oedema_ratio: Volume of the oedema against its own; 0 for infarcts, which are oedema.
        oedema_hu: Loss of density in the oedema.
        added_ml: Volume that came and takes room.
        push: Factor of the sideways shift.
    """

    kind: PaleKind
    seed: int
    template_mm: tuple[float, float, float]
    volume_ml: float
    hu: float
    oedema_ratio: float
    oedema_hu: float
    added_ml: float
    push: float


def draw_pale_mass(rng: np.random.Generator) -> PaleMass:
    """Draw an infarct or a tumour."""
    is_infarct = bool(rng.uniform() < INFARCT_SHARE)
    places = _INFARCT_PLACES_MM if is_infarct else _TUMOUR_PLACES_MM
    x, y, z = np.array(places[int(rng.integers(len(places)))]) + rng.normal(0.0, _PLACE_SCATTER_MM, size=3)
    volume = float(np.exp(rng.uniform(*np.log(INFARCT_ML if is_infarct else TUMOUR_ML))))
    ratio = 0.0 if is_infarct else float(rng.uniform(*TUMOUR_OEDEMA_RATIO))
    swelling = float(rng.uniform(*SWELLING))
    return PaleMass(
        kind=PaleKind.INFARCT if is_infarct else PaleKind.TUMOUR,
        seed=int(rng.integers(2**32)),
        template_mm=(float(x * rng.choice([-1.0, 1.0])), float(y), float(z)),
        volume_ml=volume,
        hu=float(rng.uniform(*(INFARCT_HU if is_infarct else TUMOUR_STEP_HU))),
        oedema_ratio=ratio,
        oedema_hu=float(rng.uniform(*TUMOUR_OEDEMA_HU)),
        added_ml=volume * (swelling if is_infarct else 1.0 + TUMOUR_OEDEMA_MASS_SHARE * ratio),
        push=float(np.exp(rng.normal(0.0, PUSH_SCATTER))),
    )


def mass_of_pale(pale: PaleMass, person: Person) -> Mass:
    """Return what room an infarct or tumour takes."""
    x, y, z = head_point_mm(person, pale.template_mm)
    return Mass(
        centre_mm=(float(x), float(y), float(z)),
        radius_mm=sphere_radius_mm(pale.volume_ml),
        added_ml=pale.added_ml,
        push_mm=PUSH_MM_PER_ML * pale.added_ml * pale.push * (1.0 - ATROPHY_ROOM * person.atrophy),
    )


def with_pale_mass(pale: PaleMass, anatomy: Anatomy, person: Person, centre_mm: Array) -> Field:
    """Return the HU of a head with an infarct or a tumour drawn into it.

    Args:
        pale: What to draw.
        anatomy: Already displaced by its mass.
        person: Gives the density of grey matter.
        centre_mm: Its middle in the head's frame.
    """
    rng = np.random.default_rng(pale.seed)
    with_oedema = pale.volume_ml * (1.0 + pale.oedema_ratio)
    blob = draw_blob(rng, centre_mm, with_oedema, tissue_around(anatomy, pale.template_mm))
    share = blob.share_of(pale.volume_ml, _EDGE_MM)
    tissue, white = anatomy.tissue[blob.box], anatomy.white[blob.box]
    hu = anatomy.hu.copy()
    part = hu[blob.box]
    if pale.kind is PaleKind.INFARCT:
        part += share * tissue * np.minimum(pale.hu + blob.texture - part, 0.0)
        return hu
    oedema = blob.share_of(with_oedema, _EDGE_MM) - share
    part -= oedema.clip(0.0) * tissue * white * pale.oedema_hu
    part += share * (person.grey_hu + pale.hu + 2.0 * blob.texture - part)
    return hu
