"""Paths that tables and descriptions name: inside the data set's folder, and there."""

from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError


def file_inside(folder: Path, name: str, *, where: str, allow_outside: bool = False) -> Path:
    """Return the absolute path of a file or folder that a data set names.

    Args:
        folder: The data set's folder; relative names start there.
        name: As the data set states it.
        where: Place of the name, for the message, such as ``"cases.csv, line 3"``.
        allow_outside: Accept absolute names, and names and links that lead out of the folder.

    Raises:
        SettingsError: The name leads out of the folder, or nothing is there (``E_DATASET``).
    """
    shown = repr(name[:100])
    path = Path(folder.absolute(), name)
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        exists = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, links in a loop, a null byte
        raise SettingsError(Code.E_DATASET, f"{where}: a path cannot be followed", found=shown) from error
    if not inside and not allow_outside:
        raise SettingsError(
            Code.E_DATASET,
            f"{where}: a path leads out of the data set's folder",
            found=shown,
            fix="Name files relative to the folder, or allow files outside of it explicitly.",
        )
    if not exists:
        raise SettingsError(
            Code.E_DATASET,
            f"{where}: a file is missing",
            found=f"nothing at {shown}",
            fix="Use / between folders." if "\\" in name else f"Paths start at the folder {folder.name}.",
        )
    return path
