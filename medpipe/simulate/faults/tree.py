"""Entries of a folder tree that must not stop a walk (C.4 row 33)."""

import os
import stat
from pathlib import Path

from medpipe.simulate.faults.registry import skipped


@skipped()
def link_loop(folder: Path, seed: str) -> None:
    """A link points back to its own folder."""
    (folder / "again").symlink_to(folder, target_is_directory=True)


@skipped()
def link_broken(folder: Path, seed: str) -> None:
    """A link points to nothing."""
    (folder / "lost.dcm").symlink_to(folder / "absent.dcm")


@skipped()
def fifo(folder: Path, seed: str) -> None:
    """A FIFO lies in the tree: whoever opens it waits for ever."""
    os.mkfifo(folder / "pipe.dcm")


@skipped()
def unix_socket(folder: Path, seed: str) -> None:
    """A socket lies in the tree."""
    os.mknod(folder / "socket.dcm", stat.S_IFSOCK | 0o600)


@skipped()
def folder_unreadable(folder: Path, seed: str) -> None:
    """A folder may not be read."""
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(0)
