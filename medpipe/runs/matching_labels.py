"""A label map from a file, proven to lie on the grid of an image."""

from pathlib import Path

import torch

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.planar import Planar
from medpipe.core.volume import Volume
from medpipe.data.checks import check_grids, checked_label_map
from medpipe.io.load import read_series
from medpipe.io.series import Form, Series
from medpipe.io.tree import index_tree


def read_matching_labels(path: Path, image: Volume | Planar, *, case_id: str) -> torch.Tensor:
    """Read labels of a volume (NIfTI, DICOM) or of a radiograph (PNG).

    Args:
        path: File with one image.
        image: Whose grid it must lie on.
        case_id: For messages.

    Returns:
        uint8 of the image's spatial shape.

    Raises:
        SettingsError: The path holds not one image.
        RefusedError: It lies on another grid (``E_GRID``), holds values that are no labels (``E_LABEL``), or
            cannot be read.
    """
    form = Form.PLANAR if isinstance(image, Planar) else Form.VOLUME
    labels = read_series(_only_series(path), form=form)
    if isinstance(labels, Volume) and isinstance(image, Volume):
        check_grids(case_id, {"image": image.grid, "label map": labels.grid})
    elif labels.array.shape != image.array.shape:
        raise RefusedError(
            Code.E_GRID,
            f"Case {case_id}: image and label map have different sizes",
            found=f"{_size(image.array)} and {_size(labels.array)} pixels",
        )
    return torch.from_numpy(checked_label_map(case_id, labels.array[0].numpy()))


def _only_series(path: Path) -> Series:
    found = [series for study in index_tree([path]).studies for series in study.series]
    if len(found) != 1:
        raise SettingsError(Code.E_SETTINGS, f"{path} holds not one label map", found=f"{len(found)} images")
    return found[0]


def _size(array: torch.Tensor) -> str:
    return " x ".join(map(str, array.shape[1:]))
