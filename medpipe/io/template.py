"""The MNI152 template that nilearn carries, as volumes; nothing is downloaded."""

from enum import StrEnum
from functools import cache

import numpy as np
import torch

from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume


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
