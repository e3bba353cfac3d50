"""Checkpoints: written whole or not at all, read as data."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import write_bytes

LAST = "last.ckpt"
BEST = "best.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside and moves into place, so that a full disk or a kill leaves the older checkpoint."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            MachineError: The disk is full or cannot be written (``E_DISK``).
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> Any:
        """Read a checkpoint; nothing in it is executed.

        Raises:
            SettingsError: It is no checkpoint of a training.
        """
        try:
            return torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:
            raise SettingsError(
                Code.E_SETTINGS,
                f"The checkpoint {Path(path).name} cannot be read",
                found=type(error).__name__,
                fix="Remove the training's folder and start again.",
            ) from error


def network_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the network's weights of a checkpoint, averaged where the training averaged them."""
    checkpoint = AtomicCheckpointIO().load_checkpoint(path, map_location="cpu")
    prefix = "network."
    return {
        name.removeprefix(prefix): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
