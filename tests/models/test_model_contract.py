"""What every network must do: a new one adds a ``Subject``, and its own file tests only what is special."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from medpipe.core.findings import CodedConcept
from medpipe.core.labels import LabelSpec
from medpipe.models.registry import build_network
from medpipe.models.unet.heads import UNetOutput
from medpipe.tasks.segmentation import SegmentationTask

NUM_CLASSES = 3
TASK = SegmentationTask(
    tuple(
        LabelSpec(value=value, name=name, code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=name))
        for value, name in enumerate(("outer", "inner"), start=1)
    )
)


@dataclass(frozen=True)
class Subject:
    """A small network under the contract.

    Attributes:
        network: Its name in the registry.
        arguments: Of its constructor, beyond channels, classes and axes.
        odd: Spatial shape of unequal, odd sizes; None where the network takes multiples only.
    """

    network: str
    arguments: Mapping[str, object]
    dims: int = 3
    in_channels: int = 2
    odd: tuple[int, ...] | None = (37, 53, 29)

    def build(self) -> nn.Module:
        torch.manual_seed(1)
        arguments = {"in_channels": self.in_channels, "num_classes": NUM_CLASSES, "dims": self.dims}
        return build_network(self.network, {**arguments, **self.arguments})

    def images(self, batch_size: int = 2, shape: tuple[int, ...] | None = None) -> Tensor:
        shape = shape or (16, 24, 32)[: self.dims]
        return torch.randn(batch_size, self.in_channels, *shape, generator=torch.Generator().manual_seed(2))

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last_3d if self.dims == 3 else torch.channels_last


SMALL = {"channels": (4, 8, 16)}
NNUNET = {
    "channels": (4, 8, 8),
    "kernel_sizes": ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    "encoder_blocks": (1, 2, 2),
    "decoder_convs": (2, 1),
}
NNUNET_2D = {**NNUNET, "kernel_sizes": ((3, 3),) * 3, "strides": ((1, 1), (2, 2), (2, 1))}
SUBJECTS = {
    "unet-3d": Subject("unet", SMALL),
    "unet-2d": Subject("unet", SMALL, dims=2, odd=(37, 53)),
    "unet-deep": Subject("unet", {**SMALL, "deep_supervision": True}),
    "unet-scores": Subject(
        "unet", {**SMALL, "score_outputs": [1, 3], "score_hidden": [8], "score_dropout": 0.0}
    ),
    "unet-residual": Subject("unet", {"channels": (4, 4, 8), "residual": True, "convs_per_level": 3}),
    "nnunet-plain": Subject("nnunet", NNUNET),
    "nnunet-residual": Subject("nnunet", {**NNUNET, "residual": True}),
    "nnunet-2d": Subject("nnunet", NNUNET_2D, dims=2, odd=(37, 53)),
    "dynunet": Subject("dynunet", SMALL, odd=None),
}


@pytest.fixture(params=SUBJECTS.values(), ids=SUBJECTS.keys())
def subject(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.param
    return found


def logits_of(output: UNetOutput) -> tuple[Tensor, ...]:
    return (output.logits, *output.deep, *([] if output.scores is None else [output.scores]))


def test_logits_lie_on_the_grid_of_the_images(subject: Subject) -> None:
    images = subject.images()
    output = subject.build()(images)
    assert output.logits.shape == (2, NUM_CLASSES, *images.shape[2:])


def test_odd_sizes_work(subject: Subject) -> None:
    if subject.odd is None:
        pytest.skip("takes multiples of its stride only")
    output = subject.build()(subject.images(1, subject.odd))
    assert output.logits.shape[2:] == subject.odd
    for level, logits in enumerate(output.deep, start=1):
        assert tuple(logits.shape[2:]) == tuple(-(-size // 2**level) for size in subject.odd)


def test_gradient_reaches_every_parameter(subject: Subject) -> None:
    network = subject.build()
    sum(logits.square().mean() for logits in logits_of(network(subject.images()))).backward()
    # Below 1e-8 is rounding: a bias in front of a normalisation shows that.
    idle = [
        name for name, item in network.named_parameters() if item.grad is None or item.grad.abs().max() < 1e-8
    ]
    assert idle == []


def test_each_case_is_alone_in_its_batch(subject: Subject) -> None:
    network, images = subject.build(), subject.images(3)
    together = network(images).logits
    for index in range(3):
        assert_close(network(images[index : index + 1]).logits[0], together[index], rtol=1e-4, atol=1e-4)


def test_eval_is_deterministic_and_returns_what_training_returns(subject: Subject) -> None:
    network, images = subject.build(), subject.images()
    training = network(images)
    network.eval()
    first, second = network(images), network(images)
    for ours, again, before in zip(*map(logits_of, (first, second, training)), strict=True):
        assert torch.equal(ours, again)
        assert_close(ours, before)


def test_state_dict_round_trip(subject: Subject) -> None:
    network, images = subject.build(), subject.images()
    other = subject.build()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(images).logits, network(images).logits)


def test_same_seed_gives_the_same_weights(subject: Subject) -> None:
    ours, again = subject.build().state_dict(), subject.build().state_dict()
    assert all(torch.equal(ours[name], again[name]) for name in ours)


@pytest.mark.slow
def test_compiles_as_one_graph(subject: Subject) -> None:
    network, images = subject.build(), subject.images()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert_close(compiled(images).logits, network(images).logits)


def test_channels_last_gives_the_same_logits(subject: Subject) -> None:
    network, images = subject.build(), subject.images()
    expected = network(images).logits
    network.to(memory_format=subject.memory_format)
    found = network(images.to(memory_format=subject.memory_format)).logits
    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_autocast_gives_nearly_the_same_logits(subject: Subject) -> None:
    network, images = subject.build(), subject.images()
    expected = network(images).logits
    with torch.autocast("cpu", torch.bfloat16):
        found = network(images).logits
    assert found.dtype == torch.bfloat16
    # bfloat16 keeps 8 bits: errors of a few percent of the spread add up over a dozen layers.
    assert (found - expected).abs().mean() < 0.05 * expected.std()


def test_half_weights_give_nearly_the_same_numbers(subject: Subject) -> None:
    network, images = subject.build().eval(), subject.images()
    with torch.inference_mode():
        full = network(images)
        half = network.to(torch.bfloat16)(images.to(torch.bfloat16))
    for ours, expected in zip(logits_of(half), logits_of(full), strict=True):
        assert float((ours.float() - expected).abs().mean()) < 0.05 * float(expected.std() + 0.1)


def test_overfits_four_samples(subject: Subject) -> None:
    network = subject.build()
    shape = (16,) * subject.dims
    images = subject.images(4, shape)
    label_map = _blobs(4, shape)
    images[:, 0] += label_map
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-2)
    for _ in range(60):
        optimiser.zero_grad()
        TASK.loss(network(images), label_map).backward()
        optimiser.step()
    wrong = network(images).logits.argmax(1) != label_map
    assert wrong.float().mean() < 0.01


def _blobs(batch_size: int, shape: tuple[int, ...]) -> Tensor:
    """Return label maps of a box of class 1 that holds one of class 2, elsewhere in each case."""
    label_map = torch.zeros(batch_size, *shape, dtype=torch.long)
    for case in range(batch_size):
        label_map[(case, *[slice(1 + case, 11 + case)] * len(shape))] = 1
        label_map[(case, *[slice(3 + case, 10 + case)] * len(shape))] = 2
    return label_map
