from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import AggregatorOutput, SliceAggregator
from medpipe.models.slice_aggregator.stacks import gap_features, softmax_by_study, with_neighbours

LENGTHS = [3, 1, 6]
SMALL = {"encoder": "resnet10t", "features": 8, "hidden": 4, "dropout": 0.0}
KINDS: dict[str, dict[str, Any]] = {
    "mean": {"recurrent": "none", "pooling": "mean"},
    "rnn": {"recurrent": "rnn", "bidirectional": False},
    "lstm": {"recurrent": "lstm", "layers": 2},
    "gru": {"recurrent": "gru", "num_scores": 2},
    "neighbours": {"neighbours": 3},
    "peaks": {"levels": 2, "peaks": True},
}
ENCODERS = ("vgg11", "resnet18", "densenet121", "inception_v3", "tf_efficientnet_lite0")


def build(**arguments: Any) -> SliceAggregator:
    torch.manual_seed(0)
    network = build_network("slice-aggregator", {"in_channels": 2, "num_labels": 3, **SMALL, **arguments})
    assert isinstance(network, SliceAggregator)
    return network


def stack(lengths: Sequence[int], size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    slices = torch.randn(sum(lengths), 2, size, size, generator=generator)
    return slices, 1.0 + 7.0 * torch.rand(sum(lengths), generator=generator)


def answers(output: AggregatorOutput) -> list[Tensor]:
    return [item for item in output if item is not None]


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def network(request: pytest.FixtureRequest) -> SliceAggregator:
    return build(**request.param)


class TestAnswers:
    def test_one_for_each_study_and_each_slice(self, network: SliceAggregator) -> None:
        slices, gaps_mm = stack(LENGTHS)
        output = network(slices, LENGTHS, gaps_mm)
        assert output.study_logits.shape == (3, 3)
        assert output.slice_logits.shape == output.weights.shape == (10, 3)

    def test_gradient_reaches_every_parameter(self, network: SliceAggregator) -> None:
        slices, gaps_mm = stack([4, 3, 6])
        for item in network.parameters():  # timm starts residual branches at 0
            item.data += 0.01
        sum(item.square().mean() for item in answers(network(slices, [4, 3, 6], gaps_mm))).backward()
        idle = [name for name, item in network.named_parameters() if item.grad is None or not item.grad.any()]
        assert idle == []

    def test_a_study_does_not_depend_on_its_batch(self, network: SliceAggregator) -> None:
        network.eval()
        slices, gaps_mm = stack(LENGTHS)
        together = network(slices, LENGTHS, gaps_mm)
        start = 0
        for index, length in enumerate(LENGTHS):
            part = slice(start, start + length)
            alone = network(slices[part], [length], gaps_mm[part])
            assert_close(alone.study_logits[0], together.study_logits[index], rtol=0, atol=1e-5)
            assert_close(alone.slice_logits, together.slice_logits[part], rtol=0, atol=1e-5)
            start += length

    def test_the_gap_before_the_first_slice_is_not_looked_at(self, network: SliceAggregator) -> None:
        network.eval()
        slices, gaps_mm = stack(LENGTHS)
        changed = gaps_mm.clone()
        changed[[0, 3, 4]] = 1000.0
        assert_close(network(slices, LENGTHS, gaps_mm), network(slices, LENGTHS, changed), rtol=0, atol=0)

    def test_weights_of_a_study_add_up_to_one(self, network: SliceAggregator) -> None:
        weights = network(stack(LENGTHS)[0], LENGTHS, stack(LENGTHS)[1]).weights
        for study in weights.split(LENGTHS):
            assert_close(study.sum(dim=0), torch.ones(3))

    def test_evaluation_is_deterministic_and_survives_its_state(self, network: SliceAggregator) -> None:
        slices, gaps_mm = stack(LENGTHS)
        network.eval()
        other = build(**next(kind for kind in KINDS.values() if _same_keys(build(**kind), network))).eval()
        other.load_state_dict(network.state_dict())
        assert_close(network(slices, LENGTHS, gaps_mm), other(slices, LENGTHS, gaps_mm), rtol=0, atol=0)

    def test_chunks_and_recomputing_change_nothing(self) -> None:
        slices, gaps_mm = stack([5, 4])
        whole = build().eval()(slices, [5, 4], gaps_mm)
        parts = build(chunk=2, recompute=True).eval()(slices, [5, 4], gaps_mm)
        assert_close(whole, parts, rtol=0, atol=1e-5)


class TestOrder:
    def test_matters_to_recurrent_layers_and_not_to_the_mean(self) -> None:
        slices, _ = stack([6])
        gaps_mm = torch.full((6,), 5.0)
        order = torch.tensor([3, 0, 5, 1, 4, 2])
        for kind, holds in (("mean", True), ("gru", False)):
            network = build(**KINDS[kind]).eval()
            straight = network(slices, [6], gaps_mm).study_logits
            shuffled = network(slices[order], [6], gaps_mm).study_logits
            assert torch.allclose(straight, shuffled, rtol=0, atol=1e-5) is holds

    def test_distances_matter_to_recurrent_layers(self) -> None:
        slices, _ = stack([6])
        network = build(**KINDS["gru"]).eval()
        near, far = (network(slices, [6], torch.full((6,), gap)).study_logits for gap in (1.0, 8.0))
        assert not torch.allclose(near, far, rtol=0, atol=1e-5)


class TestStacks:
    def test_neighbours_stay_inside_their_study(self) -> None:
        slices = torch.arange(5.0).reshape(5, 1, 1, 1)
        found = with_neighbours(slices, [3, 2], 3)[:, :, 0, 0]
        # Two studies, 0 1 2 and 3 4: at an end the last slice repeats.
        assert found.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 4], [3, 4, 4]]

    def test_gaps_are_those_before_and_after(self) -> None:
        found = gap_features(torch.tensor([9.0, 4.0, 7.0, 9.0]), [3, 1], unit_mm=1.0).expm1()
        assert_close(found, torch.tensor([[0.0, 4.0], [4.0, 7.0], [7.0, 0.0], [0.0, 0.0]]))

    def test_weights_of_equal_values_are_equal(self) -> None:
        assert softmax_by_study(torch.zeros(3, 1), [2, 1]).flatten().tolist() == [0.5, 0.5, 1.0]


class TestEncoders:
    @pytest.mark.parametrize("name", ENCODERS)
    def test_every_family_encodes_slices(self, name: str) -> None:
        network = build(encoder=name).eval()
        slices, gaps_mm = stack([2], size=96)
        assert network(slices, [2], gaps_mm).study_logits.isfinite().all()

    def test_unknown_name_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(SettingsError, match="resnet18"):
            build(encoder="resnet81")


class TestBadInput:
    @pytest.mark.parametrize("lengths", [[], [9], [10, 0], [5, 6]])
    def test_lengths_that_do_not_fit_are_refused(self, lengths: list[int]) -> None:
        slices, gaps_mm = stack([10])
        with pytest.raises(ShapeError, match="10 slices"):
            build()(slices, lengths, gaps_mm)

    def test_channels_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"\(N, 2, I, J\)"):
            build()(torch.zeros(3, 1, 32, 32), [3], torch.zeros(3))

    @pytest.mark.parametrize(("name", "value"), [("neighbours", 2), ("dropout", 1.0), ("hidden", 0)])
    def test_arguments_that_make_no_network_are_refused(self, name: str, value: float) -> None:
        with pytest.raises(SettingsError, match=name):
            build(**{name: value})


def _same_keys(first: SliceAggregator, second: SliceAggregator) -> bool:
    shapes = [
        {name: tuple(value.shape) for name, value in item.state_dict().items()} for item in (first, second)
    ]
    return shapes[0] == shapes[1]


class TestEncoder:
    def test_peaks_keep_what_a_mean_loses(self) -> None:
        encoder = build(levels=2, peaks=True).encoder.eval()
        channels = encoder.network.feature_info.channels()
        slices = torch.zeros(2, 2, 64, 64)
        slices[1, :, 30:34, 30:34] = 5.0
        found = encoder(slices)
        assert found.shape == (2, 2 * sum(channels))
        maps = encoder.network(slices)
        means = torch.cat([level.mean(dim=(2, 3)) for level in maps], dim=1)
        assert_close(found[:, : sum(channels)], means)
        peaks = torch.cat([level.amax(dim=(2, 3)) for level in maps], dim=1)
        assert_close(found[:, sum(channels) :], peaks)

    def test_unknown_levels_are_refused(self) -> None:
        with pytest.raises(SettingsError, match="levels"):
            build(levels=0)
