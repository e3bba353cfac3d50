"""Command ``doctor``: whether this machine has what medpipe needs."""

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from medpipe.cli import options as opt
from medpipe.cli.exit_codes import Exit
from medpipe.cli.screen import print_json, print_table
from medpipe.core.settings import configuration_folder

_PACKAGES = ("torch", "monai", "pydicom", "highdicom", "nibabel", "scikit-image", "isal")
_FREE_BYTES = 5_000_000_000


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report; ``status`` is ``"ok"``, ``"note"`` or ``"bad"``."""

    name: str
    status: str
    found: str
    advice: str = ""


def doctor(as_json: opt.AsJson = False) -> None:
    """Check packages, devices, codecs, disk and the key; exit with 6 when something needed is missing."""
    checks = [check for part in _PARTS for check in part()]
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        print_table(
            ("check", "status", "found", "advice"),
            [(check.name, check.status, check.found, check.advice) for check in checks],
        )
    if any(check.status == "bad" for check in checks):
        raise typer.Exit(Exit.MACHINE)


def _machine() -> list[Check]:
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    free = shutil.disk_usage(Path.cwd()).free
    disk = Check("free disk here", "ok", f"{free / 1e9:.0f} GB")
    if free < _FREE_BYTES:
        disk = Check("free disk here", "note", f"{free / 1e9:.1f} GB", "Results may not fit.")
    return [
        Check("python", "ok", platform.python_version()),
        Check("machine", "ok", f"{cores} cores, {memory:.0f} GB"),
        disk,
    ]


def _packages() -> list[Check]:
    checks = []
    for name in _PACKAGES:
        try:
            checks.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            checks.append(Check(name, "bad", "not installed", f"pip install {name}"))
    return checks


def _devices() -> list[Check]:
    from medpipe.runs.workers.device import num_gpus

    count = num_gpus()
    if not count:
        return [Check("device", "note", "no CUDA device", "Everything runs on the CPU.")]
    import torch

    return [Check(f"cuda:{index}", "ok", torch.cuda.get_device_name(index)) for index in range(count)]


def _codecs() -> list[Check]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import (
        HTJ2KLossless,
        JPEG2000Lossless,
        JPEGBaseline8Bit,
        JPEGExtended12Bit,
        JPEGLosslessSV1,
        JPEGLSLossless,
        RLELossless,
    )

    checks = []
    for uid in (
        RLELossless,
        JPEG2000Lossless,
        HTJ2KLossless,
        JPEGLSLossless,
        JPEGBaseline8Bit,
        JPEGLosslessSV1,
        JPEGExtended12Bit,
    ):
        decoder = get_decoder(uid)
        if decoder.is_available:
            checks.append(Check(f"codec {uid.name}", "ok", ", ".join(decoder.available_plugins)))
        else:
            checks.append(Check(f"codec {uid.name}", "note", "none", "pip install 'medpipe[jpeg]' (GPL-3)"))
    return checks


def _key() -> list[Check]:
    path = configuration_folder() / "key"
    if not path.exists():
        return [Check("key", "note", "none yet", f"Made at {path} by the first run.")]
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return [Check("key", "note", f"{path}, mode {mode:o}", f"chmod 600 {path}")]
    return [Check("key", "ok", str(path))]


_PARTS: tuple[Callable[[], list[Check]], ...] = (_machine, _packages, _devices, _codecs, _key)
