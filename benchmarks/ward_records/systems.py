"""medpipe's network and loader, and the plain loop, each as a pass of training and a pass of prediction."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from ward_records.plain_lstm import PlainLstm, PlainStays, padded

from medpipe.data.ragged_store import RaggedStore
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.models.registry import build_network
from medpipe.training.kidney.data_module import StayData, ordered_loader, stay_windows
from medpipe.training.kidney.fit import fitted_task, network_arguments, risk_logits
from medpipe.training.kidney.module import KidneyModule
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe, read_kidney_recipe
from medpipe.training.optimisation import build_optimiser

RECIPE = Path(__file__).resolve().parents[2] / "pipelines" / "train" / "aki.yaml"
_CACHE_BYTES = 2_000_000_000


class Pass(NamedTuple):
    """A pass over stays.

    Attributes:
        wall_s: Seconds.
        cpu_s: Of processor time.
        steps: Of stays.
        padded_steps: Those computed, padding included.
    """

    wall_s: float
    cpu_s: float
    steps: int
    padded_steps: int


@dataclass(frozen=True)
class System:
    """What is measured.

    Attributes:
        train: A pass of training; networks learn on.
        predict: A pass of prediction.
        parameters: Of its network.
    """

    train: Callable[[], Pass]
    predict: Callable[[], Pass]
    parameters: int


class _Setting(NamedTuple):
    recipe: KidneyRecipe
    reader: StayReader
    stays: tuple[int, ...]


def all_systems(store: RaggedStore, num_stays: int) -> dict[str, System]:
    """Return the systems by name, on the first stays of a store."""
    stays = tuple(range(num_stays))
    recipe = read_kidney_recipe(RECIPE)
    setting = _Setting(
        recipe, StayReader(store, fit_encoding(store, stays, recipe.inputs, seed=recipe.split_seed)), stays
    )
    return {
        "medpipe, SRU": _medpipe(setting, "sru"),
        "medpipe, LSTM": _medpipe(setting, "lstm"),
        "plain LSTM": _plain(setting, by_length=False),
        "plain LSTM, sorted by length": _plain(setting, by_length=True),
    }


def _medpipe(setting: _Setting, cell: str) -> System:
    recipe, reader, stays = setting
    torch.manual_seed(0)
    network = build_network(recipe.network.name, {**network_arguments(recipe, reader), "cell": cell})
    assert isinstance(network, AkiRnn)
    module = KidneyModule(network, fitted_task(recipe, reader, stays), recipe, steps=1)
    module.log = _not_logged  # type: ignore[method-assign]  # outside a Lightning trainer nothing can be logged
    data = StayData(
        reader,
        train=stays,
        validation=stays[:1],
        batch_stays=recipe.batch_stays,
        window=recipe.window,
        seed=0,
        workers=0,
        cache_bytes=_CACHE_BYTES,
    )
    loader = data.train_dataloader()
    optimiser = build_optimiser(network.parameters(), recipe.optimiser, undecayed=module.weights.parameters())
    ordered = ordered_loader(
        stay_windows(reader, stays), batch_stays=recipe.batch_stays, window=recipe.window
    )
    sizes = [batch.batch.presence.shape[:2] for batch in ordered]
    predicted = sum(stays * steps for stays, steps in sizes)
    counts = {"steps": int(reader.store.lengths("end_h")[list(stays)].sum())}

    def train() -> Pass:
        network.train()
        step = partial(_step, network, optimiser, clip=recipe.optimiser.gradient_clip)
        started, padded_steps = _now(), 0
        for batch in loader:
            step(module.training_step(batch, 0))
            padded_steps += batch.batch.presence.shape[:2].numel()
        return Pass(*_since(started), **counts, padded_steps=padded_steps)

    def predict() -> Pass:
        started = _now()
        risk_logits(
            network, reader, stays, batch_stays=recipe.batch_stays, window=recipe.window, device="cpu"
        )
        return Pass(*_since(started), **counts, padded_steps=predicted)

    return System(train, predict, _size(network))


def _plain(setting: _Setting, *, by_length: bool) -> System:
    recipe, reader, stays = setting
    if by_length:
        lengths = reader.store.lengths("end_h")
        stays = tuple(sorted(stays, key=lambda stay: lengths[stay]))
    arguments, labs = recipe.network.arguments, fitted_task(recipe, reader, stays).labs
    torch.manual_seed(0)
    network = PlainLstm(
        2 * len(reader.encoding.variables) + len(reader.encoding.scales.statics),
        **{name: arguments[name] for name in ("hidden", "layers", "dropout")},
        num_horizons=len(recipe.task.horizons_h),
        lab_means=torch.tensor([lab.scale.mean for lab in labs]),
        lab_spreads=torch.tensor([lab.scale.spread for lab in labs]),
    )
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.optimiser.learning_rate, weight_decay=recipe.optimiser.weight_decay
    )
    load = partial(DataLoader, batch_size=recipe.batch_stays, collate_fn=padded)
    kept = load(PlainStays(reader, stays, is_kept=True), shuffle=not by_length)
    fresh = load(PlainStays(reader, stays, is_kept=False))
    steps = int(reader.store.lengths("end_h")[list(stays)].sum())

    def train() -> Pass:
        network.train()
        started, padded_steps = _now(), 0
        for batch in kept:
            loss = network.loss(batch, lab_weight=recipe.loss.labs)
            _step(network, optimiser, loss, clip=recipe.optimiser.gradient_clip)
            padded_steps += batch.features.shape[:2].numel()
        return Pass(*_since(started), steps, padded_steps)

    @torch.no_grad()
    def predict() -> Pass:
        network.eval()
        started, padded_steps = _now(), 0
        for batch in fresh:
            logits, _ = network(batch.features)
            logits.double().numpy()
            padded_steps += batch.features.shape[:2].numel()
        return Pass(*_since(started), steps, padded_steps)

    return System(train, predict, _size(network))


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor, *, clip: float | None) -> None:
    optimiser.zero_grad()
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()


def _not_logged(*_: Any, **__: Any) -> None:
    """Stand in for the trainer's log."""


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> Iterable[float]:
    return (now - then for now, then in zip(_now(), started, strict=True))


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
