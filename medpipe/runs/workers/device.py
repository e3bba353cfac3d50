"""Devices: where the workers of a run compute."""

import os
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, SettingsError

_MAX_CPU_WORKERS: Final = 8
"""More workers than this mostly wait for the disk and for memory."""


def choose_devices(device: str, workers: int | None) -> tuple[str, ...]:
    """Return the device of each worker.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` (every GPU) or ``"cuda:N"``.
        workers: Number of workers; None for one a GPU, or one a core; 0 for this process.

    Raises:
        SettingsError: The device has no such name, or the number is negative.
        MachineError: The device is not there (``E_DEVICE``).
    """
    if workers is not None and workers < 0:
        raise SettingsError(Code.E_SETTINGS, "The number of workers cannot be negative", found=str(workers))
    names = _devices(device)
    if names == ("cpu",) and workers is None:
        workers = min(num_cores(), _MAX_CPU_WORKERS)
    count = max(1, len(names) if workers is None else workers)
    return tuple(names[index % len(names)] for index in range(count))


def _devices(device: str) -> tuple[str, ...]:
    if device == "cpu":
        return ("cpu",)
    if device == "auto":
        found = num_gpus()
        return tuple(f"cuda:{index}" for index in range(found)) or ("cpu",)
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise SettingsError(
            Code.E_SETTINGS,
            "There is no device of that name",
            found=repr(device),
            fix="Use auto, cpu, cuda or cuda:N.",
        )
    found = num_gpus()
    if not found or (colon and int(number) >= found):
        raise MachineError(
            Code.E_DEVICE,
            f"The device {device!r} is not available",
            found=f"{found} CUDA devices",
            fix="Use --device cpu, or see 'medpipe doctor'.",
        )
    return (device,) if colon else tuple(f"cuda:{index}" for index in range(found))


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def num_gpus() -> int:
    """Return the number of usable CUDA devices; torch is imported only where there is a driver."""
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/dxg").exists():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
