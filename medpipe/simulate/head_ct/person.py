"""What differs between healthy persons: size, shape, age of the brain, densities, calcifications.

Glossary: the *head's frame* is RAS mm before the person is laid into the scanner; *template* points are where
the head's points lie in the MNI152 head.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.dura import Speck, draw_specks
from medpipe.simulate.head_ct.head_grid import node_points_mm, smooth_noise

CENTRE_MM: Final = (0.0, -17.0, 6.0)
"""Of the brain, in the head's frame and the template's alike."""

SIZE_RANGE: Final = (0.86, 0.98)
AXIS_RANGE: Final = (0.96, 1.04)
"""Of the head against the template, which is larger than most brains, and of its three axes."""

SKEW_SCATTER: Final = 0.02
"""Of the shear of left against right, as in a flattened occiput: mm a mm."""

SHAPE_MM, SHAPE_SIGMA_MM = 2.2, 20.0
"""Standard deviation and width of the smooth deformation that every person has."""
MIDLINE_SHARE: Final = 0.3
MIDLINE_REACH_MM: Final = 25.0
"""Near the midline the deformation goes sideways by this share only: healthy midlines are nearly straight."""

GREY_HU, WHITE_HU, FLUID_HU = 36.0, 28.0, 7.0
CONTRAST_SCATTER_HU, LEVEL_SCATTER_HU = 1.0, 1.5
"""Unenhanced CT at 120 kV, and the scatter between persons and scanners.

Source:
    Grey matter 30 to 40 HU, white matter 20 to 35, fluid 5: The Neurosurgical Atlas, "Neuroradiology", 2018.
"""

SKULL_MM, SKULL_SCATTER_MM = 5.8, 0.8
SCALP_MM, SCALP_SCATTER_MM = 5.5, 1.0

VENTRICLE_GROWTH_MM: Final = 4.0
VENTRICLE_SCATTER_MM: Final = 0.6
VENTRICLE_ASYMMETRY: Final = 0.15
"""How far the ventricles' walls lie outward in the most atrophied brain; scatter of both, and of one side."""

SULCI_RANGE: Final = (0.30, 0.74)
SULCI_SCATTER: Final = 0.04
"""Probability of tissue at the surface of the brain, from tight to wide sulci, and its scatter."""

PINEAL_SHARE, CHOROID_SHARE, FALX_SHARE, BASAL_SHARE = 0.71, 0.66, 0.07, 0.01
"""Shares of adults with calcifications of the pineal gland, the choroid plexus, the falx, the basal ganglia.

Source:
    Daghighi et al. 2007, "Intracranial physiological calcifications in adults on computed tomography in
    Tabriz, Iran": 71.0, 66.2, 7.3 and 0.8 %.
"""

CUPPING_HU: Final = 5.0
STREAK_HU: Final = 9.0
"""Largest brightening of the cortex next to bone, and strength of the streaks in the posterior fossa."""


@dataclass(frozen=True)
class Person:
    """A healthy person, as drawn.

    Attributes:
        seed: Of the fields that are drawn when the head is made.
        atrophy: 0 (young) to 1.
        scale: Along the three axes, against the template.
        skew: Shear of back-front by left-right.
        ventricle_mm: How far the ventricles' walls lie outward.
        ventricle_asymmetry: Share by which the left ventricle is wider, and the right one narrower.
        sulci: Probability of tissue at the surface of the brain.
        grey_hu: Density of grey matter.
        white_hu: Of white matter.
        fluid_hu: Of cerebrospinal fluid.
        blood_hu: Of flowing blood, in the venous sinuses.
        skull_mm: Mean thickness.
        scalp_mm: Thickness.
        cupping_hu: Brightening next to the skull.
        streak_hu: Strength of the streaks in the posterior fossa.
        specks: Calcifications.
    """

    seed: int
    atrophy: float
    scale: tuple[float, float, float]
    skew: float
    ventricle_mm: float
    ventricle_asymmetry: float
    sulci: float
    grey_hu: float
    white_hu: float
    fluid_hu: float
    blood_hu: float
    skull_mm: float
    scalp_mm: float
    cupping_hu: float
    streak_hu: float
    specks: tuple[Speck, ...]


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person: age, size and densities, nothing of a disease."""
    atrophy = float(rng.beta(1.6, 1.6))
    x, y, z = rng.uniform(*SIZE_RANGE) * rng.uniform(*AXIS_RANGE, size=3)
    level = rng.normal(0.0, LEVEL_SCATTER_HU)
    low, high = SULCI_RANGE
    return Person(
        seed=int(rng.integers(2**32)),
        atrophy=atrophy,
        scale=(float(x), float(y), float(z)),
        skew=float(rng.normal(0.0, SKEW_SCATTER)),
        ventricle_mm=float(VENTRICLE_GROWTH_MM * atrophy**1.3 - 0.4 + rng.normal(0.0, VENTRICLE_SCATTER_MM)),
        ventricle_asymmetry=float(rng.normal(0.0, VENTRICLE_ASYMMETRY)),
        sulci=float(low + (high - low) * atrophy + rng.normal(0.0, SULCI_SCATTER)),
        grey_hu=float(GREY_HU + level + rng.normal(0.0, CONTRAST_SCATTER_HU / 2)),
        white_hu=float(WHITE_HU + level + rng.normal(0.0, CONTRAST_SCATTER_HU / 2)),
        fluid_hu=float(FLUID_HU + level / 2 + rng.normal(0.0, CONTRAST_SCATTER_HU)),
        blood_hu=float(rng.uniform(40.0, 62.0)),
        skull_mm=float(SKULL_MM + rng.normal(0.0, SKULL_SCATTER_MM)),
        scalp_mm=float(SCALP_MM + rng.normal(0.0, SCALP_SCATTER_MM)),
        cupping_hu=float(rng.uniform(0.0, CUPPING_HU)),
        streak_hu=float(rng.uniform(0.2, 1.0) * STREAK_HU),
        specks=draw_specks(rng, (PINEAL_SHARE, CHOROID_SHARE, FALX_SHARE, BASAL_SHARE)),
    )


def template_points_mm(person: Person, points_mm: Array, shape: Array) -> Array:
    """Return where points of the head lie in the template.

    Args:
        person: Gives size and skew.
        points_mm: ``(..., 3)`` of the head's frame.
        shape: ``(..., 3)`` mm of the smooth deformation at each.
    """
    offsets = points_mm - CENTRE_MM
    skewed = offsets + np.stack(
        [np.zeros(offsets.shape[:-1]), person.skew * offsets[..., 0], np.zeros(offsets.shape[:-1])], axis=-1
    )
    placed: Array = skewed / person.scale + CENTRE_MM + shape
    return placed


def head_point_mm(person: Person, template_mm: npt.ArrayLike) -> Array:
    """Return about where points ``(..., 3)`` of the template lie in the head, its smooth shape left out."""
    offsets = (np.asarray(template_mm, dtype=np.float64) - CENTRE_MM) * person.scale
    offsets[..., 1] -= person.skew * offsets[..., 0]
    placed: Array = offsets + CENTRE_MM
    return placed


def smooth_shape_mm(rng: np.random.Generator) -> Array:
    """Return the smooth deformation of a person at the nodes: ``(I, J, K, 3)`` mm."""
    shape = SHAPE_MM * np.stack([smooth_noise(rng, SHAPE_SIGMA_MM) for _ in range(3)], axis=-1)
    near = np.exp(-0.5 * (node_points_mm()[..., 0] / MIDLINE_REACH_MM) ** 2)
    shape[..., 0] *= 1.0 - (1.0 - MIDLINE_SHARE) * near
    return shape
