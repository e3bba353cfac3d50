"""The loop that people write: pydicom for each file, torchvision for each slice, a network of PyTorch.

One study at a time. It trusts its files: slices are sorted by where they lie and rescaled; that they are of
one series, one size, axial, head first and without gaps is not looked at.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import torch
from head_studies.setting import NETWORK_MM, NETWORK_SHAPE, PIXEL_MM, SIZE, WINDOWS_HU
from pydicom.dataset import Dataset as DicomDataset
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from medpipe.models.slice_aggregator.model import SliceAggregator

_PIXELS = round(SIZE * PIXEL_MM / NETWORK_MM)
_TRANSFORM = v2.Compose(
    [v2.Resize((_PIXELS, _PIXELS), antialias=True), v2.CenterCrop(list(NETWORK_SHAPE[::-1]))]
)


class Study(NamedTuple):
    """A study as the network takes it.

    Attributes:
        slices: ``(S, C, I, J)``.
        gaps_mm: ``(S,)`` distance to the slice before; 0 for the first.
    """

    slices: Tensor
    gaps_mm: Tensor


class FolderStudies(Dataset[Study]):
    """A study for each folder."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, index: int) -> Study:
        return read_study(self._folders[index])


class PlainLoop:
    """A loop over studies.

    Args:
        network: Of the package, in float32; its encoder is copied.
        device: Where it computes.
        is_tuned: Whether convolutions are channels last, and on a GPU in half precision by autocast.
    """

    def __init__(self, network: SliceAggregator, device: str, *, is_tuned: bool) -> None:
        self._format = torch.channels_last if is_tuned else torch.contiguous_format
        self._encoder: nn.Module = copy.deepcopy(network.encoder.network).to(memory_format=self._format)
        self._aggregate = network.aggregate
        self._device = torch.device(device)
        self._is_half = is_tuned and self._device.type == "cuda"

    def answers(self, studies: Iterable[Study]) -> Iterator[Tensor]:
        """Yield the probabilities of each study and of its slices, on the CPU."""
        for study in studies:
            yield self._answer(study)

    @torch.inference_mode()
    def _answer(self, study: Study) -> Tensor:
        slices = study.slices.to(self._device, memory_format=self._format)
        with torch.autocast(self._device.type, enabled=self._is_half):
            features = self._encoder(slices)[-1].mean(dim=(2, 3))
        output = self._aggregate(features.float(), [len(slices)], study.gaps_mm.to(self._device))
        return torch.cat([output.study_logits, output.slice_logits]).sigmoid().cpu()


def in_turn(folders: Sequence[Path]) -> Iterable[Study]:
    """Return the studies of folders, each read when it is asked for."""
    return map(read_study, folders)


def by_data_loader(folders: Sequence[Path]) -> Callable[[Sequence[Path]], Iterable[Study]]:
    """Return a reader whose two processes are started once, as in a long run, and read ahead."""
    loader = DataLoader(FolderStudies(folders), batch_size=None, num_workers=2, persistent_workers=True)

    def read(_: Sequence[Path]) -> Iterable[Study]:
        return loader

    return read


def read_study(folder: Path) -> Study:
    """Return the study whose files stand in a folder."""
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    row, column = np.split(np.array(files[0].ImageOrientationPatient, dtype=float), 2)
    normal = np.cross(row, column)
    depths = [float(normal @ np.array(file.ImagePositionPatient, dtype=float)) for file in files]
    order = np.argsort(depths)
    gaps_mm = np.diff(np.array(depths)[order], prepend=depths[order[0]])
    slices = torch.stack([_prepared(files[index]) for index in order])
    return Study(slices, torch.from_numpy(gaps_mm).float())


def _prepared(file: DicomDataset) -> Tensor:
    hu = file.pixel_array.astype(np.float32) * float(file.RescaleSlope) + float(file.RescaleIntercept)
    small = _TRANSFORM(torch.from_numpy(hu)[None])[0]
    windows = [((small - low) / (high - low)).clamp(0.0, 1.0) for low, high in WINDOWS_HU.values()]
    return torch.stack(windows).mT  # rows of DICOM pixels run along J
