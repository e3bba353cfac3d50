"""Reading the files of a case into volumes and a label map on one grid."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.codes import Code
from medpipe.core.errors import MedpipeError, NoInputError, RefusedError, ShapeError
from medpipe.core.volume import Volume
from medpipe.data.cases import SegmentationCase
from medpipe.data.checks import check_grids, checked_label_map
from medpipe.io.load import read_series
from medpipe.io.nifti import read_nifti
from medpipe.io.nifti_header import index_nifti
from medpipe.io.series import Form
from medpipe.io.tree import index_tree


class CaseImages(NamedTuple):
    """A case as its files have it.

    Attributes:
        volumes: By channel name, all on one grid.
        label_map: ``(I, J, K)`` uint8 on the same grid; None where the case has no mask.
    """

    volumes: Mapping[str, Volume]
    label_map: npt.NDArray[np.uint8] | None


class LabelledImage(NamedTuple):
    """What a network is trained on, before patches are cut.

    Attributes:
        image: ``(C, I, J, K)`` float32.
        label_map: ``(I, J, K)`` uint8.
        spacing_mm: Along I, J, K.
    """

    image: torch.Tensor
    label_map: torch.Tensor
    spacing_mm: tuple[float, float, float]


def read_case(case: SegmentationCase, *, known_labels: Collection[int] | None = None) -> CaseImages:
    """Read and check all files of a case; axes are permuted to those of the first image, nothing else.

    Args:
        case: Its images may be NIfTI files, single DICOM files or folders of one DICOM series; its mask is
            NIfTI.
        known_labels: Label values that may occur beside 0; None accepts 1 to 255.

    Raises:
        RefusedError: A file cannot be read (with the code of the reader, or ``E_UNREADABLE``), the grids
            differ (``E_GRID``) or the mask holds unknown values (``E_LABEL``); the message names the case.
    """
    volumes: dict[str, Volume] = {}
    for channel, path in case.images.items():
        with naming(case.id, channel):
            volumes[channel] = _along_first(volumes, _read_image(path))
    grids = {channel: volume.grid for channel, volume in volumes.items()}
    if case.mask is None:
        check_grids(case.id, grids)
        return CaseImages(volumes, None)
    with naming(case.id, "mask"):
        mask = _along_first(volumes, read_nifti(index_nifti(case.mask), max_nan_fraction=0.0))
    check_grids(case.id, {**grids, "mask": mask.grid})
    return CaseImages(volumes, checked_label_map(case.id, mask.array[0].numpy(), known_labels))


def stacked(images: CaseImages) -> LabelledImage:
    """Return a case as a network takes it where nothing is to be prepared: channels in their order.

    Raises:
        ShapeError: The case has no mask.
    """
    if images.label_map is None:
        raise ShapeError("A labelled image needs a mask", found="none")
    volumes = list(images.volumes.values())
    return LabelledImage(
        image=torch.cat([volume.array for volume in volumes]).float(),
        label_map=torch.from_numpy(images.label_map),
        spacing_mm=volumes[0].grid.spacing,
    )


def read_labelled(case: SegmentationCase, *, known_labels: Collection[int] | None = None) -> LabelledImage:
    """Read a case without preparing it; see :func:`read_case` and :func:`stacked`."""
    return stacked(read_case(case, known_labels=known_labels))


def find_faults(
    cases: Iterable[SegmentationCase], read: Callable[[SegmentationCase], object], *, workers: int = 2
) -> dict[str, RefusedError]:
    """Read every case once and return the refusal of each that is at fault, by case id.

    Args:
        cases: To read.
        read: Such as :func:`read_case`.
        workers: Cases read at a time.
    """

    def fault_of(case: SegmentationCase) -> RefusedError | None:
        try:
            read(case)
        except RefusedError as error:
            return error
        return None

    cases = tuple(cases)
    with ThreadPoolExecutor(workers) as pool:
        faults = pool.map(fault_of, cases)
        return {case.id: fault for case, fault in zip(cases, faults, strict=True) if fault}


@contextmanager
def naming(case_id: str, what: str = "") -> Iterator[None]:
    """Put a case, and which of its files, into the message of whatever is wrong with it."""
    where = ", ".join(filter(None, (f"Case {case_id}", what)))
    try:
        yield
    except (RefusedError, NoInputError) as error:
        raise RefusedError(error.code, f"{where}: {error.what}", found=error.found, fix=error.fix) from error
    except MedpipeError:
        raise
    except OSError as error:
        raise RefusedError(
            Code.E_UNREADABLE,
            f"{where}: the file cannot be read",
            found=error.strerror or type(error).__name__,
            fix="Check that it is there and may be read.",
        ) from error


def _read_image(path: Path) -> Volume:
    series = [series for study in index_tree([path], workers=1).studies for series in study.series]
    if len(series) != 1:
        raise RefusedError(
            Code.E_AMBIGUOUS if series else Code.E_NO_MATCH,
            "A case takes one image a channel",
            found=f"{len(series)} series",
            fix="Name the file, or the folder of one series.",
        )
    volume = read_series(series[0], form=Form.VOLUME)
    assert isinstance(volume, Volume)  # what the form VOLUME gives
    return volume


def _along_first(volumes: Mapping[str, Volume], other: Volume) -> Volume:
    """Order the axes as the first volume has them: NIfTI masks often mirror the rows of their DICOM image."""
    first = next(iter(volumes.values()), other)
    return other.reoriented(first.grid.orientation)
