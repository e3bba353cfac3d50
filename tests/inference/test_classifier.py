"""The classifier: answers for every slice of the series, and maps that point at what they rest on."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from medpipe.core.preprocessing import WindowScale
from medpipe.core.slice_preprocessing import SliceChannel, SlicePreprocessing
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.inference.classifier import Classifier, load_classifier
from medpipe.inference.fused import FusedConvolution
from medpipe.models.slice_aggregator.model import SliceAggregator

SPEC = SlicePreprocessing(
    modality="CT",
    shape=(32, 40),
    channels=(SliceChannel(name="brain", intensity=WindowScale(low_hu=0, high_hu=100)),),
    slab_mm=4.0,
)
SPOT = (20, 9)


class _Brightest(nn.Module):
    """An encoder whose only feature is the brightest pixel."""

    num_features = 1

    def forward(self, slices: Tensor) -> Tensor:
        return slices.amax(dim=(1, 2, 3))[:, None]


def classifier(*, neighbours: int = 1) -> Classifier:
    torch.manual_seed(0)
    network = SliceAggregator(1, 2, encoder="resnet10t", features=8, hidden=4, neighbours=neighbours)
    return Classifier(network.eval(), SPEC)


def reader_of_brightness() -> Classifier:
    """Return a classifier whose slice logit rises with the brightest pixel."""
    found = classifier()
    network = found.network
    network.encoder = _Brightest()  # type: ignore[assignment]  # stands in for a CNN
    network.reduce = nn.Identity()  # type: ignore[assignment]
    network.recurrence = None
    network.pooling = nn.Module()  # type: ignore[assignment]
    network.pooling.weights = lambda features, lengths: torch.ones(len(features), 2) / len(features)  # type: ignore[assignment]
    network.slice_head = nn.Linear(1, 2)
    network.study_head = nn.Linear(1, 2)
    nn.init.ones_(network.slice_head.weight)
    nn.init.ones_(network.study_head.weight)
    return found


def series(depths_mm: list[float]) -> SliceStack:
    array = torch.full((len(depths_mm), 1, 32, 40), 30.0)
    array[1, 0, SPOT[0] - 1 : SPOT[0] + 2, SPOT[1] - 1 : SPOT[1] + 2] = 90.0
    return SliceStack(
        array=array,
        in_plane_mm=np.array(((-1.0, 0.0), (0.0, -1.0), (0.0, 0.0))),
        positions_mm=np.array([[0.0, 0.0, depth] for depth in depths_mm]),
        thickness_mm=np.full(len(depths_mm), 5.0),
        modality="CT",
        source=Source(kind=SourceKind.MEMORY),
    )


class TestAnswers:
    def test_every_slice_of_the_series_has_its_own(self) -> None:
        found = classifier().classify(series([0.0, 4.0, 11.0]))
        assert found.answer.logits.shape == (2,)
        assert found.answer.slice_probs.shape == (3, 2)
        assert found.gaps_mm == (4.0, 7.0)
        assert_close(found.answer.weights.sum(dim=0), torch.ones(2))

    def test_slices_of_one_slab_share_theirs(self) -> None:
        found = classifier().classify(series([0.0, 2.0, 4.0, 6.0]))
        assert len(found.prepared.values) == 2
        assert_close(found.answer.slice_probs[0], found.answer.slice_probs[1], rtol=0, atol=0)

    def test_a_single_slice_is_answered(self) -> None:
        stack = series([0.0, 5.0])
        single = SliceStack(
            stack.array[1:],
            stack.in_plane_mm,
            stack.positions_mm[1:],
            stack.thickness_mm[1:],
            "CT",
            stack.source,
        )
        found = classifier().classify(single)
        assert found.gaps_mm is None
        assert found.answer.slice_probs.isfinite().all()

    def test_a_series_from_above_is_answered_in_its_own_order(self) -> None:
        stack = series([0.0, 4.0, 11.0])
        # The same slices from above: I points to the right, so that the normal points down.
        turned = SliceStack(
            stack.array.flip(0, 2),
            stack.in_plane_mm * np.array([-1.0, 1.0]),
            stack.positions_mm[::-1] + 31.0 * stack.in_plane_mm[:, 0],
            stack.thickness_mm,
            "CT",
            stack.source,
        )
        straight, reverse = (classifier().classify(item).answer for item in (stack, turned))
        assert_close(straight.logits, reverse.logits)
        assert_close(straight.slice_probs, reverse.slice_probs.flip(0))


class TestLoading:
    @pytest.mark.parametrize("neighbours", [1, 3])
    def test_a_network_made_fast_answers_as_it_did(self, neighbours: int) -> None:
        plain = classifier(neighbours=neighbours)
        package: Any = SimpleNamespace(
            classification=SimpleNamespace(preprocessing=SPEC),
            load_network=lambda device, half: classifier(neighbours=neighbours).network,
        )
        fast, stack = load_classifier(package, "cpu"), series([0.0, 4.0, 11.0])
        assert any(isinstance(module, FusedConvolution) for module in fast.network.modules())
        found, expected = fast.classify(stack).answer, plain.classify(stack).answer
        assert_close(found.logits, expected.logits, rtol=0.0, atol=1e-5)
        assert_close(found.slice_probs, expected.slice_probs, rtol=0.0, atol=1e-5)


class TestEvidence:
    def test_points_at_what_the_answer_rests_on(self) -> None:
        reader, stack = reader_of_brightness(), series([0.0, 5.0, 10.0])
        evidence = reader.evidence(stack, reader.classify(stack), 0, 1)
        assert evidence.shape == (32, 40)
        assert evidence.max().item() == pytest.approx(1.0)
        place = np.unravel_index(int(evidence.argmax()), evidence.shape)
        assert abs(place[0] - SPOT[0]) <= 3
        assert abs(place[1] - SPOT[1]) <= 3

    def test_of_the_study_points_there_too(self) -> None:
        reader, stack = reader_of_brightness(), series([0.0, 5.0, 10.0])
        found = reader.classify(stack)
        evidence = reader.evidence(stack, found, 0, 1, of_study=True)
        assert_close(evidence, reader.evidence(stack, found, 0, 1))
        # The first slice has no spot: blurring it takes nothing from the study.
        assert reader.evidence(stack, found, 0, 0, of_study=True).max() == 0

    def test_is_nothing_where_nothing_takes_from_the_answer(self) -> None:
        reader, stack = reader_of_brightness(), series([0.0, 5.0, 10.0])
        assert not reader.evidence(stack, reader.classify(stack), 0, 0).any()

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_is_had_of_networks_that_see_neighbours(self, place: int) -> None:
        reader, stack = classifier(neighbours=3), series([0.0, 5.0, 10.0])
        evidence = reader.evidence(stack, reader.classify(stack), 1, place)
        assert 0.0 <= evidence.min().item() <= evidence.max().item() <= 1.0
