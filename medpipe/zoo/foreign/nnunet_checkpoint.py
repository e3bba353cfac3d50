"""The checkpoint of one fold of a trained nnU-Net."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from medpipe.zoo.foreign.refusals import Refusals
from medpipe.zoo.foreign.weight_file import load_data

CHECKPOINT: Final = "checkpoint_final.pth"

_SCALAR: Final = np.float64(0.0).__reduce__()[0]
_ALLOWED: Final[tuple[Any, ...]] = (
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),  # as numpy 1 named it
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int64")),
)
"""What rebuilds the numpy scalars of nnU-Net's training log."""


class InitArguments(BaseModel):
    """Arguments of the trainer, as far as medpipe reads them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    configuration: str


class Checkpoint(BaseModel):
    """What training left, as far as medpipe reads it.

    Attributes:
        network_weights: By nnU-Net's names.
        init_args: Of the trainer.
        trainer_name: Its class.
        inference_allowed_mirroring_axes: Axes of patches that training mirrored; None for none.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    network_weights: Mapping[str, Tensor] = Field(min_length=1)
    init_args: InitArguments
    trainer_name: str
    inference_allowed_mirroring_axes: tuple[Literal[0, 1, 2], ...] | None = None


def find_checkpoint(folder: Path, refusals: Refusals) -> Path:
    """Return the checkpoint of a model's only fold, or of the fold that is named.

    Args:
        folder: Of a model with its folds, or of one fold.
        refusals: Notes what is refused.

    Raises:
        RefusedItemError: There is none, or there are several to choose from.
    """
    if (folder / CHECKPOINT).is_file():
        return folder / CHECKPOINT
    found = sorted(folder.glob(f"fold_*/{CHECKPOINT}"))
    if len(found) != 1:
        names = ", ".join(path.parent.name for path in found)
        refusals.refuse(
            f"fold_*/{CHECKPOINT}",
            names or "no such file",
            f"a package holds one network: name the folder of one fold, such as {found[0].parent.name}"
            if found
            else "train the model to its end",
        )
    return found[0]


def read_checkpoint(content: bytes, place: str, refusals: Refusals) -> Checkpoint:
    """Read a checkpoint: tensors, numbers and names, and nothing that runs.

    Raises:
        RefusedItemError: It holds anything else, or is no checkpoint of nnU-Net.
    """
    data = load_data(content, place, refusals, allowed=_ALLOWED)
    return refusals.validated(Checkpoint, data, place)
