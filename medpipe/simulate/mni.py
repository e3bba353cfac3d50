"""The MNI152 brain as an oblique series would hold it."""

from typing import Final

import numpy as np
import torch

from medpipe.core.grid import Grid
from medpipe.core.volume import Volume
from medpipe.io.template import load_mni
from medpipe.simulate.resample import resample

OBLIQUE_DEGREES: Final = (17.0, 9.0)
"""Turn of the oblique series about the left-right and then the back-front axis."""

MR_SCALE: Final = 1000.0
"""Template values lie in [0, 1]; a scanner stores integers."""

_OBLIQUE_SHAPE: Final = (160, 188, 86)
_OBLIQUE_SPACING: Final = (1.0, 1.0, 2.0)
_BRAIN_CENTRE_MM: Final = (0.0, -17.0, 7.0)
"""Middle of the template's brain."""


def oblique_brain(brain: Volume | None = None) -> Volume:
    """Return a brain resampled on an oblique grid, as an oblique MR series would hold it.

    I points to L, J to P and K to S before the grid is turned by :data:`OBLIQUE_DEGREES`. The truth is the
    source: at every point of the world, 1000 times its value, rounded.

    Args:
        brain: In the template's space, from 0 to 1; the T1 template by default.
    """
    about_x, about_y = np.radians(OBLIQUE_DEGREES)
    turn_x = [[1, 0, 0], [0, np.cos(about_x), -np.sin(about_x)], [0, np.sin(about_x), np.cos(about_x)]]
    turn_y = [[np.cos(about_y), 0, np.sin(about_y)], [0, 1, 0], [-np.sin(about_y), 0, np.cos(about_y)]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(turn_y) @ turn_x @ np.diag([-1.0, -1.0, 1.0]) * _OBLIQUE_SPACING
    middle = (np.array(_OBLIQUE_SHAPE) - 1) / 2
    affine[:3, 3] = _BRAIN_CENTRE_MM - affine[:3, :3] @ middle
    sampled = resample(load_mni() if brain is None else brain, Grid(_OBLIQUE_SHAPE, affine))
    return sampled.with_array(torch.round(sampled.array * MR_SCALE))
