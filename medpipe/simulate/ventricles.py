"""The lateral ventricles in the MNI152 template, which has no map of them."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medpipe.core.affine import Array, apply_affine

DEEP_MM: Final = 25.0
"""The lateral ventricles are the fluid that lies deeper than this below the surface of the brain."""

_NEAR_MM: Final = (0.0, -16.0, 15.0)
_LEAST_VOXELS: Final = 1000


def lateral_ventricles(deep_fluid: npt.NDArray[np.bool_], affine: Array) -> npt.NDArray[np.bool_]:
    """Return the large object of deep fluid whose middle is nearest to the ventricles' place.

    Args:
        deep_fluid: ``(I, J, K)`` in the template's space, at 2 mm.
        affine: Index to mm.
    """
    objects, count = ndimage.label(deep_fluid)
    sizes = np.bincount(objects.ravel(), minlength=count + 1)
    large = [value for value in range(1, count + 1) if sizes[value] >= _LEAST_VOXELS]
    middles = apply_affine(affine, np.array(ndimage.center_of_mass(deep_fluid, objects, large)))
    nearest = np.linalg.norm(middles - _NEAR_MM, axis=1).argmin()
    return np.asarray(objects == large[int(nearest)])
