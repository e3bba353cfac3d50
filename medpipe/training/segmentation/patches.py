"""Training data: cases prepared as the network expects them, cut into augmented patches."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import torch

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.preprocessing import Preprocessing
from medpipe.data.cases import SegmentationCase
from medpipe.data.patch_dataset import Patch
from medpipe.data.reading import LabelledImage, naming, read_case
from medpipe.inference.normalise import apply_windows
from medpipe.inference.preprocess import prepare, prepare_labels
from medpipe.transforms.augment import Sample, augment
from medpipe.transforms.recipe import Recipe


class PatchBatch(NamedTuple):
    """What the network sees in one step.

    Attributes:
        images: ``(B, C, P, Q, R)`` float32.
        label_map: ``(B, P, Q, R)`` uint8.
        has_mask: ``(B,)`` bool: whether a case's label map is its truth.
        scores: ``(B, S)`` float32, NaN where unknown.
    """

    images: torch.Tensor
    label_map: torch.Tensor
    has_mask: torch.Tensor
    scores: torch.Tensor


class WholeCase(NamedTuple):
    """A validation case on the network's grid.

    Attributes:
        images: ``(C, P, Q, R)`` float32.
        label_map: ``(P, Q, R)`` uint8; None where the case has no mask.
        scores: ``(S,)`` float32, NaN where unknown.
    """

    images: torch.Tensor
    label_map: torch.Tensor | None
    scores: torch.Tensor


@dataclass(frozen=True)
class PreparedReader:
    """Reads a case and prepares it; picklable, so that data workers may be spawned.

    Attributes:
        preprocessing: What the network expects.
        known_labels: Label values that may occur.
        needs_mask: Whether cases without a mask are refused; otherwise they are all background.
        keep_hu: Whether windowed channels stay in Hounsfield units, as augmentation expects them.
    """

    preprocessing: Preprocessing
    known_labels: Collection[int]
    needs_mask: bool = True
    keep_hu: bool = False

    def __call__(self, case: SegmentationCase) -> LabelledImage:
        """Read a case.

        Raises:
            RefusedError: A file is at fault, grids differ or a label is unknown; names the case.
            SettingsError: The case has no mask.
        """
        files = read_case(case, known_labels=self.known_labels)
        if files.label_map is None and self.needs_mask:
            raise SettingsError(
                Code.E_DATASET,
                f"Case {case.id} has no mask, so nothing can be learned from it",
                fix="Add its mask, or leave it out of the split.",
            )
        with naming(case.id):
            prepared = prepare(files.volumes, self.preprocessing, keep_hu=self.keep_hu)
        if files.label_map is None:
            label_map = torch.zeros(prepared.images.shape[1:], dtype=torch.uint8)
        else:
            label_map = prepare_labels(prepared, torch.from_numpy(files.label_map))
        spacing = prepared.spacing_mm
        return LabelledImage(prepared.images, label_map, spacing)


@dataclass(frozen=True)
class PatchFinish:
    """Changes a patch by its own seed, in Hounsfield units where it is CT, then windows it.

    Attributes:
        preprocessing: What the network expects.
        recipe: What may be changed; None for nothing.
    """

    preprocessing: Preprocessing
    recipe: Recipe | None

    def __call__(self, patch: Patch) -> Patch:
        """Return the patch as the network takes it."""
        if self.recipe is not None:
            i, j, k = patch.spacing_mm.tolist()
            orientation = self.preprocessing.orientation
            assert isinstance(orientation, str), "recipes state codes"
            sample = Sample(patch.image, (i, j, k), patch.label_map, orientation=orientation)
            changed = augment(sample, self.recipe, seed=patch.seed).sample
            assert changed.label_map is not None
            patch = patch._replace(image=changed.image, label_map=changed.label_map)
        return patch._replace(image=apply_windows(patch.image, self.preprocessing))


def collate_patches(patches: list[Patch]) -> PatchBatch:
    """Stack patches."""
    return PatchBatch(
        torch.stack([patch.image for patch in patches]),
        torch.stack([patch.label_map for patch in patches]),
        torch.tensor([patch.has_mask for patch in patches]),
        torch.stack([patch.scores for patch in patches]),
    )
