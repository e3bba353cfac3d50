"""Walking folder trees: every real folder once, nothing waited for, nothing lost."""

import json
import os
import stat
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError
from medpipe.io.series import Skipped

RUN_FILE: Final = "run.json"
RUN_MARKER: Final = "medpipe run"
"""Begins the ``format`` of the file that makes a folder a run's; such folders are not input."""

_LONGEST_RUN_FILE: Final = 16 << 20

_FileId = tuple[int, int]


@dataclass(frozen=True)
class FoundFile:
    """A regular file.

    Attributes:
        path: Absolute.
        label: Relative to the root, for people: always valid text.
    """

    path: Path
    label: str


@dataclass(frozen=True)
class Walk:
    """What a tree holds: regular files, and entries that are none or are not looked into."""

    files: tuple[FoundFile, ...]
    skipped: tuple[Skipped, ...]


def walk_trees(roots: Iterable[Path]) -> Walk:
    """List files under folders; a root may also be a file.

    Links are followed last and only to what was not seen yet, so that no file is listed twice and no loop
    is endless. Hidden entries and the folders of earlier runs are skipped as one entry each.

    Raises:
        NoInputError: A root does not exist.
    """
    walker = _Walker()
    roots = [Path(os.path.abspath(root)) for root in roots]
    for root in roots:
        if not root.exists():
            raise NoInputError(
                Code.E_NO_INPUT,
                "There is nothing to read",
                found=f"no file or folder {root}",
                fix="Check the path.",
            )
        walker.add_root(root, prefix=f"{root.name}/" if len(roots) > 1 else "")
    walker.follow_links()
    return Walk(tuple(walker.files), tuple(walker.skipped))


class _Walker:
    """The state of one walk."""

    def __init__(self) -> None:
        self.files: list[FoundFile] = []
        self.skipped: list[Skipped] = []
        self._seen: set[_FileId] = set()
        self._links: deque[FoundFile] = deque()

    def add_root(self, root: Path, *, prefix: str) -> None:
        status = root.stat()
        if stat.S_ISDIR(status.st_mode):
            self._enter(root, prefix, _id_of(status))
        elif _id_of(status) not in self._seen:
            self._add(FoundFile(root, _as_text(prefix.removesuffix("/") or root.name)), status)

    def follow_links(self) -> None:
        while self._links:
            link = self._links.popleft()
            try:
                status = link.path.stat()
            except OSError as error:
                self._skip(link.label, f"link that leads nowhere ({error.strerror})")
                continue
            if _id_of(status) in self._seen:
                self._skip(link.label, "link to what is indexed already")
            elif stat.S_ISDIR(status.st_mode):
                self._enter(link.path, link.label + "/", _id_of(status))
            else:
                self._add(link, status)

    def _enter(self, root: Path, prefix: str, root_id: _FileId) -> None:
        waiting = [(root, prefix, root_id)]
        while waiting:
            folder, prefix, folder_id = waiting.pop()
            if folder_id in self._seen:
                continue
            self._seen.add(folder_id)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self._skip(prefix or ".", f"{Code.E_UNREADABLE}: {error.strerror}")
                continue
            if _is_run_folder(folder, entries):
                self._skip(prefix or ".", "output of medpipe")
                continue
            folders = [found for entry in entries if (found := self._sort(entry, prefix))]
            waiting.extend(reversed(folders))

    def _sort(self, entry: os.DirEntry[str], prefix: str) -> tuple[Path, str, _FileId] | None:
        """Put an entry where it belongs; return it if it is a folder to enter."""
        found = FoundFile(Path(entry.path), _as_text(prefix + entry.name))
        if entry.name.startswith("."):
            self._skip(found.label, "hidden")
        elif entry.is_symlink():
            self._links.append(found)
        else:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                self._skip(found.label, f"vanished while it was indexed ({error.strerror})")
                return None
            if stat.S_ISDIR(status.st_mode):
                return found.path, found.label + "/", _id_of(status)
            self._add(found, status)
        return None

    def _add(self, found: FoundFile, status: os.stat_result) -> None:
        self._seen.add(_id_of(status))
        if stat.S_ISREG(status.st_mode):
            self.files.append(found)
        else:
            self._skip(found.label, "neither file nor folder (FIFO, socket or device)")

    def _skip(self, label: str, reason: str) -> None:
        self.skipped.append(Skipped(label, reason))


def _id_of(status: os.stat_result) -> _FileId:
    return status.st_dev, status.st_ino


def _as_text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_run_folder(folder: Path, entries: Iterable[os.DirEntry[str]]) -> bool:
    entry = next((entry for entry in entries if entry.name == RUN_FILE), None)
    if entry is None or not entry.is_file(follow_symlinks=False) or entry.stat().st_size > _LONGEST_RUN_FILE:
        return False
    try:
        content = json.loads((folder / RUN_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and str(content.get("format", "")).startswith(RUN_MARKER)
