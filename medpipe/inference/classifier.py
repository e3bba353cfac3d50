"""The classifier: a series in, answers about the study and each of its slices out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.core.slice_stack import SliceStack
from medpipe.inference.fused import fuse_convolutions
from medpipe.inference.slices import PreparedSlices, on_source, prepare_slices, slice_channels
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.tasks.classification import StudyAnswer

if TYPE_CHECKING:
    from medpipe.zoo.package import Package

_COVERS: Final = 8
"""Patches along each axis of a slice that are hidden in turn to see what an answer rests on."""

_BLUR: Final = 5
"""A hidden patch shows what this many pixels around each of its own show on average, three times over."""

_CPU_CHUNK_PIXELS: Final = 2**18
"""Pixels that are encoded at a time on a CPU: what layers hand each other stays in its cache."""


class Classified(NamedTuple):
    """What a classifier gives.

    Attributes:
        answer: About the study and every slice of the series.
        prepared: What the network saw.
        features: ``(N, F)`` of the slices that it saw.
        gaps_mm: Smallest and largest distance of slices that it saw; None of a single one.
        novelty: How far the features lie from those of studies that were trained on, in standard deviations.
    """

    answer: StudyAnswer
    prepared: PreparedSlices
    features: Tensor
    gaps_mm: tuple[float, float] | None
    novelty: float


@dataclass(frozen=True, eq=False)
class Classifier:
    """A slice aggregator with what it expects of a series.

    Attributes:
        network: In evaluation mode, on ``device``.
        preprocessing: What is done to a series before it.
        device: ``"cpu"`` or ``"cuda:N"``.
    """

    network: SliceAggregator
    preprocessing: SlicePreprocessing
    device: str = "cpu"

    @torch.inference_mode()
    def classify(self, stack: SliceStack) -> Classified:
        """Answer about a series.

        Raises:
            RefusedError: The series is none that the network takes; see
                :func:`medpipe.inference.slices.prepare_slices`.
        """
        prepared = prepare_slices(stack, self.preprocessing, device=self.device)
        lengths = [len(prepared.values)]
        features = self.network.encode(self._channels(prepared.values, prepared.window), lengths)
        output = self.network.aggregate(features, lengths, prepared.gaps_mm.to(self.device))
        slice_probs = output.slice_logits.float().sigmoid().cpu()[prepared.members]
        weights = output.weights.float().cpu()[prepared.members]
        scores = None if output.scores is None else output.scores[0].float().cpu()
        gaps_mm = prepared.gaps_mm[1:]
        return Classified(
            StudyAnswer(output.study_logits[0].float().cpu(), slice_probs, weights, scores),
            prepared,
            features,
            (float(gaps_mm.min()), float(gaps_mm.max())) if len(gaps_mm) else None,
            float(output.novelty[0]),
        )

    @torch.inference_mode()
    def evidence(
        self, stack: SliceStack, found: Classified, label: int, slice_index: int, *, of_study: bool = False
    ) -> Tensor:
        """Return what an answer rests on in a slice: how much it loses where a patch of the slice is blurred.

        Args:
            stack: The series.
            found: What :meth:`classify` gave of it.
            label: Number of the label.
            slice_index: Slice of the series.
            of_study: Whether the answer is the study's; otherwise the slice's.

        Returns:
            ``(I, J)`` on the slice, from 0 to 1, where 1 is the most that any patch takes from the logit; all
            0 where none takes anything.

        Source:
            Occlusion: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks"; blurred
            rather than grey patches, as a grey one in a head looks like a finding.
        """
        prepared, place = found.prepared, int(found.prepared.members[slice_index])
        reach = self.network.neighbours // 2
        seen_by = range(max(0, place - reach), min(len(prepared.values), place + reach + 1))
        shown = range(max(0, place - 2 * reach), min(len(prepared.values), place + 2 * reach + 1))
        asked = None if of_study else place
        plain = self._logit(found.features, prepared.gaps_mm, asked, label)
        drops = torch.zeros(prepared.values.shape[1:], device=self.device)
        blurred = _blurred(prepared.values[place])
        for window in _windows(*drops.shape):
            weight = window.to(self.device)
            values = prepared.values[shown.start : shown.stop].clone()
            values[place - shown.start] = torch.lerp(prepared.values[place], blurred, weight)
            changed = self.network.encode(self._channels(values, prepared.window), [len(values)])
            features = found.features.clone()
            features[seen_by.start : seen_by.stop] = changed[
                seen_by.start - shown.start : seen_by.stop - shown.start
            ]
            lost = plain - self._logit(features, prepared.gaps_mm, asked, label)
            drops += weight * lost.clamp(min=0.0)
        most = drops.max()
        return on_source(drops / most if most > 0 else drops, prepared, stack).cpu()

    def _logit(self, features: Tensor, gaps_mm: Tensor, place: int | None, label: int) -> Tensor:
        """Return the logit of a slice, or of the study."""
        output = self.network.aggregate(features, [len(features)], gaps_mm.to(self.device))
        logits = output.study_logits[0] if place is None else output.slice_logits[place]
        return logits[label].float()

    def _channels(self, values: Tensor, window: Tensor) -> Tensor:
        dtype = next(self.network.parameters()).dtype
        return slice_channels(values, self.preprocessing, window).to(dtype)


def load_classifier(package: "Package", device: str) -> Classifier:
    """Load the network of a package; in half precision on a GPU, with convolutions fused on a CPU.

    Raises:
        SettingsError: The package does something else, or its weights do not fit.
        MachineError: The weights are damaged.
    """
    manifest = package.classification
    network = package.load_network(device, half=device.startswith("cuda"))
    assert isinstance(network, SliceAggregator)  # the manifest's trial has seen that
    network = network.to(memory_format=torch.channels_last)
    if device == "cpu":
        _suit_to_cpu(network, manifest.preprocessing)
    return Classifier(network, manifest.preprocessing, device)


def _suit_to_cpu(network: SliceAggregator, spec: SlicePreprocessing) -> None:
    """Let the encoder give the same features sooner."""
    encoder, (size_i, size_j) = network.encoder, spec.shape
    channels = network.neighbours * len(spec.channels)
    example = torch.rand((1, channels, size_i, size_j), generator=torch.Generator().manual_seed(0))
    encoder.network = fuse_convolutions(
        encoder.network, example.contiguous(memory_format=torch.channels_last)
    )
    encoder.chunk = max(1, min(encoder.chunk, _CPU_CHUNK_PIXELS // (size_i * size_j)))


def _windows(size_i: int, size_j: int) -> Iterator[Tensor]:
    """Yield ``(I, J)`` weights of patches that overlap by half; they add up to 1 at every pixel."""
    for rise in _bumps(size_i):
        for run in _bumps(size_j):
            yield rise[:, None] * run[None, :]


def _bumps(size: int) -> Tensor:
    """Return ``(_COVERS, size)`` weights along an axis: triangles, flat at both ends."""
    places = torch.arange(size) * ((_COVERS - 1) / max(1, size - 1))
    return (1.0 - (places[None] - torch.arange(_COVERS)[:, None]).abs()).clamp(min=0.0)


def _blurred(image: Tensor) -> Tensor:
    width = 2 * _BLUR + 1
    blurred = image[None, None]
    for _ in range(3):
        blurred = avg_pool2d(blurred, width, stride=1, padding=_BLUR, count_include_pad=False)
    return blurred[0, 0]
