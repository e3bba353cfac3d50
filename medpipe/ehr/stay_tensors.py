"""Encoded steps as tensors, for networks."""

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.stay_batch import StayBatch
from medpipe.ehr.stay_encoding import EncodedSteps


def as_batch(encoded: EncodedSteps) -> StayBatch:
    """Return one stay as a batch."""

    def tensor(array: npt.NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))[None]

    return StayBatch(
        presence=tensor(encoded.presence),
        values=tensor(encoded.values),
        time_since_h=tensor(encoded.since_h),
        statics=tensor(encoded.statics),
        lengths=torch.tensor([len(encoded.presence)]),
        extremes=None if encoded.course is None else tensor(encoded.course),
        codes=None if encoded.codes is None else tensor(encoded.codes)[0],
        code_counts=None if encoded.code_counts is None else tensor(encoded.code_counts),
    )
