"""Bleeds into the brain's tissue, with the oedema around them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.anatomy import Anatomy
from medpipe.simulate.head_ct.bleed import Bleed
from medpipe.simulate.head_ct.blobs import draw_blob
from medpipe.simulate.head_ct.dura import above_tentorium_mm
from medpipe.simulate.head_ct.head_grid import Field, Mask
from medpipe.simulate.head_ct.mass_effect import Mass, sphere_radius_mm
from medpipe.simulate.head_ct.person import Person, head_point_mm

VOLUME_ML: Final = (0.5, 60.0)
"""Drawn evenly over its logarithm; some places hold less.

Source:
    Volumes above 60 mL are seldom survived (Broderick et al. 1993, Stroke 24: 987-993).
"""

BLOOD_HU: Final = (55.0, 80.0)
GRAIN_HU: Final = 3.0
EDGE_MM: Final = (1.5, 3.5)
"""Density of clotting blood, its unevenness (standard deviation), and how far its edge is graded.

Source:
    Clot 75 to 80 HU (The Neurosurgical Atlas, "Neuroradiology", 2018); less while blood is fresh or its
    haematocrit low (New & Aronow 1976, Radiology 121: 635-640).
"""

OEDEMA_RATIO: Final = (0.2, 1.2)
OEDEMA_HU: Final = (6.0, 14.0)
OEDEMA_EDGE_MM: Final = 4.0
"""Volume of the oedema against the bleed's, loss of density in it, and how far it is graded.

Source:
    medpipe; relative volumes of perihaematomal oedema in the first day as in Gebel et al. 2002, Stroke 33:
    2631-2635.
"""

OEDEMA_MASS_SHARE: Final = 0.35
PUSH_MM_PER_ML: Final = 0.09
PUSH_SCATTER: Final = 0.3
ATROPHY_ROOM: Final = 0.4
"""Share of the oedema that takes room; sideways shift a mL, its scatter (of the logarithm), and the part that
an atrophied brain takes up.

Source:
    medpipe: 30 mL in the putamen shift the midline by about 5 mm, 60 mL by 9. That atrophy makes room:
    Kwon et al. 2018, Scientific Reports 8: 4819.
"""


@dataclass(frozen=True)
class Site:
    """A place where brains bleed.

    Attributes:
        share: Of all bleeds into the tissue.
        template_mm: Its middle, on the right side.
        scatter_mm: Standard deviation along each axis.
        most_ml: Largest volume.
    """

    share: float
    template_mm: tuple[float, float, float]
    scatter_mm: float
    most_ml: float


SITES: Final = (
    Site(0.28, (27.0, 0.0, 3.0), 3.0, 60.0),  # putamen
    Site(0.17, (14.0, -18.0, 8.0), 2.0, 25.0),  # thalamus
    Site(0.05, (14.0, 12.0, 10.0), 2.0, 15.0),  # caudate nucleus
    Site(0.12, (32.0, 34.0, 24.0), 8.0, 60.0),  # frontal lobe
    Site(0.12, (36.0, -42.0, 38.0), 8.0, 60.0),  # parietal lobe
    Site(0.09, (48.0, -22.0, -12.0), 6.0, 60.0),  # temporal lobe
    Site(0.06, (27.0, -76.0, 8.0), 6.0, 60.0),  # occipital lobe
    Site(0.07, (22.0, -62.0, -36.0), 4.0, 25.0),  # cerebellum
    Site(0.04, (2.0, -27.0, -33.0), 2.0, 8.0),  # pons
)
"""Half of them deep, two fifths lobar, the rest below the tentorium.

Source:
    medpipe, after Qureshi et al. 2001, New England Journal of Medicine 344: 1450-1460.
"""


@dataclass(frozen=True)
class Haematoma:
    """A bleed into the tissue, as drawn.

    Attributes:
        seed: Of its shape.
        template_mm: About where it lies in the template.
        volume_ml: Asked for; the truth is measured.
        hu: Of its core.
        edge_mm: Over which its surface is graded.
        oedema_ratio: Volume of the oedema against its own.
        oedema_hu: Loss of density in the oedema.
        push: Factor of the sideways shift.
    """

    seed: int
    template_mm: tuple[float, float, float]
    volume_ml: float
    hu: float
    edge_mm: float
    oedema_ratio: float
    oedema_hu: float
    push: float


def draw_haematoma(rng: np.random.Generator) -> Haematoma:
    """Draw a bleed into the tissue: its place, volume and density."""
    site = SITES[int(rng.choice(len(SITES), p=[site.share for site in SITES]))]
    x, y, z = np.array(site.template_mm) + rng.normal(0.0, site.scatter_mm, size=3)
    low, high = np.log(VOLUME_ML[0]), np.log(min(VOLUME_ML[1], site.most_ml))
    return Haematoma(
        seed=int(rng.integers(2**32)),
        template_mm=(float(x * rng.choice([-1.0, 1.0])), float(y), float(z)),
        volume_ml=float(np.exp(rng.uniform(low, high))),
        hu=float(rng.uniform(*BLOOD_HU)),
        edge_mm=float(rng.uniform(*EDGE_MM)),
        oedema_ratio=float(rng.uniform(*OEDEMA_RATIO)),
        oedema_hu=float(rng.uniform(*OEDEMA_HU)),
        push=float(np.exp(rng.normal(0.0, PUSH_SCATTER))),
    )


def mass_of(haematoma: Haematoma, person: Person) -> Mass:
    """Return what room a bleed takes."""
    added = haematoma.volume_ml * (1.0 + OEDEMA_MASS_SHARE * haematoma.oedema_ratio)
    x, y, z = head_point_mm(person, haematoma.template_mm)
    return Mass(
        centre_mm=(float(x), float(y), float(z)),
        radius_mm=sphere_radius_mm(added),
        added_ml=haematoma.volume_ml,
        push_mm=PUSH_MM_PER_ML * added * haematoma.push * (1.0 - ATROPHY_ROOM * person.atrophy),
    )


def bleed_into_tissue(haematoma: Haematoma, anatomy: Anatomy, centre_mm: Array) -> tuple[Bleed, Field]:
    """Return the bleed, and the density ``(I, J, K)`` that oedema takes from its part of the grid.

    Args:
        haematoma: What to draw.
        anatomy: Already displaced by its mass.
        centre_mm: Its middle in the head's frame.
    """
    rng = np.random.default_rng(haematoma.seed)
    with_oedema = haematoma.volume_ml * (1.0 + haematoma.oedema_ratio)
    blob = draw_blob(rng, centre_mm, with_oedema, tissue_around(anatomy, haematoma.template_mm))
    share = blob.share_of(haematoma.volume_ml, haematoma.edge_mm)
    oedema = blob.share_of(with_oedema, OEDEMA_EDGE_MM) - share
    matter = anatomy.tissue[blob.box] * (0.5 + 0.5 * anatomy.white[blob.box])
    loss = haematoma.oedema_hu * oedema.clip(0.0) * matter
    blood_hu = haematoma.hu + GRAIN_HU * blob.texture.clip(-2.0, 2.0)
    rise = share * (blood_hu - (anatomy.hu[blob.box] - loss)).clip(0.0)
    return Bleed(blob.box, share, rise.astype(np.float32)), loss.astype(np.float32)


def tissue_around(anatomy: Anatomy, template_mm: tuple[float, float, float]) -> Mask:
    """Return where a body may lie: in the skull, outside of ventricles, on its side of falx and tentorium."""
    x = anatomy.template_mm[0]
    above = above_tentorium_mm(anatomy.template_mm)
    here = above_tentorium_mm(np.array(template_mm, dtype=np.float32)[:, None])[0]
    same_level = above > 0 if here > 0 else above < 0
    near_midline = abs(template_mm[0]) < 5.0
    same_side = np.ones(x.shape, bool) if near_midline else x * np.sign(template_mm[0]) > 0.0
    allowed: Mask = same_level & same_side & (anatomy.beyond < -3.0) & (anatomy.ventricle < 0.5)
    return allowed
