"""Memory: what is given up, step by step, until a volume fits."""

import gc
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

import torch

from medpipe.core.codes import Code
from medpipe.core.errors import StageError

Result = TypeVar("Result")


class MemoryStep(StrEnum):
    """How a volume is predicted; each step needs less memory of the device than the one before."""

    FULL = "tiles in batches, all on the device"
    SINGLE_TILES = "one tile at a time"
    HOST_IMAGE = "one tile at a time, image and logits in the computer's memory"
    CPU = "on the CPU"


_STEPS: Final = {
    "cpu": (MemoryStep.FULL, MemoryStep.SINGLE_TILES),
    "cuda": tuple(MemoryStep),
}


def fit_memory(work: Callable[[MemoryStep], Result], device: str) -> tuple[Result, MemoryStep]:
    """Try the steps of a device in order until one has enough memory.

    Args:
        work: Does everything for one step; called again from the start for the next one.
        device: ``"cpu"`` or ``"cuda:N"``.

    Raises:
        StageError: There was not enough memory at the last step (``E_MEMORY``).
    """
    steps = _STEPS[device.partition(":")[0]]
    for step in steps:
        try:
            return work(step), step
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler: the error's frames hold the tensors that have to go.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise StageError(
        Code.E_MEMORY,
        "The volume does not fit into memory",
        found=f"not enough for: {steps[-1]}",
        fix="Use fewer workers, or a machine with more memory.",
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, of the GPU or of the computer."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "DefaultCPUAllocator" in str(error)  # torch has no type of its own for it
