"""Writing so that a file or folder is complete or absent, whenever the process dies."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, MedpipeError

TEMPORARY_PREFIX: Final = ".tmp-"
"""Begins the name of every file and folder that is still being written."""

ASIDE_PREFIX: Final = ".old-"
"""Begins the name that a folder bears while its successor takes its place."""


@contextmanager
def atomic_write(path: Path, *, durable: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a binary file that appears at ``path`` only once it is complete.

    The body must do nothing but write: an ``OSError`` in it is taken for one of the target.

    Args:
        path: The target; an existing file is replaced.
        durable: Flush file and folder to the disk, so that a power cut loses nothing either.
        mode: Permissions of a new file, lessened by the umask.

    Raises:
        MachineError: The target is a link (``E_OUTPUT``), or the disk is full, over quota, read-only
            or not permitted (``E_DISK``).
    """
    _refuse_link(path)
    temporary = temporary_beside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _disk_errors(path):
        with _removed_on_error(temporary):
            with os.fdopen(os.open(temporary, flags, mode), "wb") as stream:
                yield stream
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            os.replace(temporary, path)
        if durable:
            _flush_to_disk(path.parent)


def write_bytes(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Write bytes atomically; see :func:`atomic_write`."""
    with atomic_write(path, durable=durable, mode=mode) as stream:
        stream.write(content)


def write_text(path: Path, content: str, *, durable: bool = False, mode: int = 0o666) -> None:
    """Write UTF-8 text atomically, line ends as they are; see :func:`atomic_write`."""
    write_bytes(path, content.encode(), durable=durable, mode=mode)


def temporary_beside(path: Path) -> Path:
    """Return a fresh name in the same folder, which :func:`sweep_leftovers` knows for unfinished."""
    return path.with_name(TEMPORARY_PREFIX + uuid4().hex)


def publish_folder(staged: Path, target: Path, *, durable: bool = False) -> None:
    """Move a complete folder into place; an older one there is replaced.

    The older folder is renamed aside, the staged one renamed in, the older one removed. A process that
    dies between the two renames leaves only the folder aside, which :func:`sweep_leftovers` puts back.

    Args:
        staged: Complete folder on the same file system.
        target: Where it belongs.
        durable: Flush every file and folder to the disk before and after the move.

    Raises:
        MachineError: The target is a link (``E_OUTPUT``) or the move failed (``E_DISK``).
    """
    _refuse_link(target)
    with _disk_errors(target):
        if durable:
            for folder, _, names in os.walk(staged):
                for name in names:
                    _flush_to_disk(Path(folder, name))
                _flush_to_disk(Path(folder))
        aside = target.with_name(ASIDE_PREFIX + target.name)
        if target.exists():
            _remove(aside)
            os.rename(target, aside)
        os.rename(staged, target)
        if durable:
            _flush_to_disk(target.parent)
        _remove(aside)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that appears at ``target`` only once it is complete.

    The body must do nothing but write: an ``OSError`` in it is taken for one of the target.

    Args:
        target: Where it belongs; missing folders above it are made, an older folder there is replaced.

    Raises:
        MachineError: As :func:`atomic_write`.
    """
    _refuse_link(target)
    staged = temporary_beside(target)
    with _disk_errors(target), _removed_on_error(staged):
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.mkdir()
        yield staged
        publish_folder(staged, target)


def sweep_leftovers(folder: Path, *, min_age_s: float = 0.0) -> int:
    """Remove what a dead process left in a folder and put back what it had moved aside.

    Args:
        folder: Swept itself; folders below it are not entered.
        min_age_s: Younger leftovers stay: another process may be writing them.

    Returns:
        The number of leftovers.

    Raises:
        MachineError: A leftover cannot be removed (``E_DISK``).
    """
    num_swept = 0
    newest = time.time() - min_age_s
    with _disk_errors(folder):
        for entry in list(os.scandir(folder)):
            # Renaming changes ctime and not mtime; writing changes both.
            if not _is_leftover(entry.name) or entry.stat(follow_symlinks=False).st_ctime > newest:
                continue
            target = folder / entry.name.removeprefix(ASIDE_PREFIX)
            if entry.name.startswith(ASIDE_PREFIX) and not target.exists():
                os.rename(entry.path, target)
            else:
                _remove(Path(entry.path))
            num_swept += 1
    return num_swept


def _is_leftover(name: str) -> bool:
    return name.startswith((TEMPORARY_PREFIX, ASIDE_PREFIX))


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise MachineError(
            Code.E_OUTPUT,
            "Outputs are not written through symbolic links",
            found=f"a link at {_short(path)}",
            fix="Remove the link or choose another output folder.",
        )


def _remove(path: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if is_folder:
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _removed_on_error(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, MedpipeError):
            raise
        raise MachineError(
            Code.E_DISK,
            f"Cannot write {_short(path)}",
            found=error.strerror or str(error),
            fix="Free space or correct the permissions, then run the same command again.",
        ) from error


def _short(path: Path) -> str:
    return str(Path(*path.parts[-2:]))
