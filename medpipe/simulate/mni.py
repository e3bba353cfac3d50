"""The MNI152 brain that nilearn carries, as volumes; nothing is downloaded."""

from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np
import torch

from medpipe.core.grid import Grid
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.simulate.resample import resample

OBLIQUE_DEGREES: Final = (17.0, 9.0)
"""Turn of the oblique series about the left-right and then the back-front axis."""

MR_SCALE: Final = 1000.0
"""Template values lie in [0, 1]; a scanner stores integers."""

_OBLIQUE_SHAPE: Final = (160, 188, 86)
_OBLIQUE_SPACING: Final = (1.0, 1.0, 2.0)
_BRAIN_CENTRE_MM: Final = (0.0, -17.0, 7.0)
"""Middle of the template's brain."""


class MniMap(StrEnum):
    """What nilearn carries of the ICBM152 2009a nonlinear symmetric template."""

    T1 = "t1"
    """T1 intensities of the skull-stripped brain, 0 to 1."""
    GREY = "grey matter"
    """Probability of grey matter."""
    WHITE = "white matter"
    """Probability of white matter."""


@cache
def load_mni(map_: MniMap = MniMap.T1, *, spacing_mm: int = 1) -> Volume:
    """Return a map of the MNI152 template.

    Args:
        map_: Which one.
        spacing_mm: 1 or 2.

    Returns:
        ``(1, I, J, K)`` float32 in [0, 1], RAS, exactly symmetric about x = 0. Real anatomy, the average
        of 152 persons.

    Source:
        Fonov et al., NeuroImage 2011, as distributed with nilearn.
    """
    from nilearn import datasets  # imported here: it takes two seconds

    loaders = {
        MniMap.T1: datasets.load_mni152_template,
        MniMap.GREY: datasets.load_mni152_gm_template,
        MniMap.WHITE: datasets.load_mni152_wm_template,
    }
    image = loaders[map_](resolution=spacing_mm)
    values = torch.from_numpy(image.get_fdata(dtype=np.float32))
    return Volume(values[None], image.affine, "MR", Source(kind=SourceKind.MEMORY))


def oblique_brain() -> Volume:
    """Return the T1 brain resampled on an oblique grid, as an oblique MR series would hold it.

    I points to L, J to P and K to S before the grid is turned by :data:`OBLIQUE_DEGREES`. The truth is the
    template: at every point of the world, 1000 times its value, rounded.
    """
    about_x, about_y = np.radians(OBLIQUE_DEGREES)
    turn_x = [[1, 0, 0], [0, np.cos(about_x), -np.sin(about_x)], [0, np.sin(about_x), np.cos(about_x)]]
    turn_y = [[np.cos(about_y), 0, np.sin(about_y)], [0, 1, 0], [-np.sin(about_y), 0, np.cos(about_y)]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(turn_y) @ turn_x @ np.diag([-1.0, -1.0, 1.0]) * _OBLIQUE_SPACING
    middle = (np.array(_OBLIQUE_SHAPE) - 1) / 2
    affine[:3, 3] = _BRAIN_CENTRE_MM - affine[:3, :3] @ middle
    brain = resample(load_mni(), Grid(_OBLIQUE_SHAPE, affine))
    return brain.with_array(torch.round(brain.array * MR_SCALE))
