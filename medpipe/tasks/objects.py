"""Connected objects of a label map."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medpipe.core.errors import ShapeError

Label = TypeVar("Label", bound=np.integer[Any])


def keep_largest_object(label_map: npt.NDArray[Label]) -> npt.NDArray[Label]:
    """Return a label map without all but its largest object, whatever labels that bears.

    Objects are parted by background: voxels belong together that share a face.

    Args:
        label_map: ``(I, J, K)`` integers; 0 is background. One that is empty stays empty.

    Raises:
        ShapeError: It has not three axes.
    """
    if label_map.ndim != 3:
        raise ShapeError("A label map is (I, J, K)", found=f"shape {label_map.shape}")
    objects, count = ndimage.label(label_map > 0)
    if count < 2:
        return label_map
    sizes = np.bincount(objects.ravel())[1:]
    kept = label_map.copy()
    kept[objects != 1 + sizes.argmax()] = 0
    return kept
