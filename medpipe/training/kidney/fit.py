"""Fitting the networks of a recipe, one a seed, and reading risks with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch

from medpipe.data.stay_windows import WindowSampler, collate_windows
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.models.registry import build_network
from medpipe.tasks.kidney import KidneyTask
from medpipe.text.code_vectors import CodeVectors
from medpipe.training.checkpoints import network_state
from medpipe.training.kidney.code_start import start_lookups
from medpipe.training.kidney.data_module import StayData, stay_windows
from medpipe.training.kidney.labelled import labelled_stays
from medpipe.training.kidney.labs import fitted_labs
from medpipe.training.kidney.module import MONITOR, VALIDATED, KidneyModule
from medpipe.training.kidney.reading import StayReader
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.trainer import Course, FitOptions, train_network


def fitted_task(recipe: KidneyRecipe, reader: StayReader, train: Sequence[int]) -> KidneyTask:
    """Return the task of a recipe, its labs scaled by the stays that are trained on."""
    maxima = np.concatenate([reader.store.read(stay, "lab_maxima") for stay in train])
    return KidneyTask(recipe.task.horizons_h, fitted_labs(recipe.labs, maxima))


def network_arguments(recipe: KidneyRecipe, reader: StayReader) -> dict[str, Any]:
    """Return all keyword arguments of the recipe's network."""
    return {
        **reader.encoding.network_arguments(),
        "num_horizons": len(recipe.task.horizons_h),
        "num_labs": len(recipe.labs),
        **recipe.network.arguments,
    }


def fit_network(
    recipe: KidneyRecipe,
    reader: StayReader,
    folder: Path,
    *,
    train: Sequence[int],
    validation: Sequence[int],
    seed: int,
    options: FitOptions,
    vectors: CodeVectors | None = None,
) -> AkiRnn:
    """Train the network of a seed; the same call on the same folder goes on from the last checkpoint.

    Args:
        recipe: How to train.
        reader: Reads prepared stays.
        folder: Gets checkpoints, logs and learning curves.
        train: Stays to learn from.
        validation: Stays that tell when to stop.
        seed: Of weights, order and dropout.
        options: How to work.
        vectors: That codes and variables begin with; None for a random start.

    Raises:
        MachineError: The disk is full, or the device is not there.
    """
    lightning.seed_everything(seed, verbose=False)
    network = build_network(recipe.network.name, network_arguments(recipe, reader))
    assert isinstance(network, AkiRnn)  # the only one of this task
    if vectors is not None:
        start_lookups(network, vectors, reader.encoding)
    data = StayData(
        reader,
        train=train,
        validation=validation,
        labelled=labelled_stays(reader.store, train, recipe.labelled, seed=recipe.split_seed),
        batch_stays=recipe.batch_stays,
        window=recipe.window,
        seed=seed,
        workers=options.workers,
        cache_bytes=options.cache_bytes,
    )
    per_epoch = len(data.train_dataloader())
    steps = recipe.epochs * per_epoch
    module = KidneyModule(network, fitted_task(recipe, reader, train), recipe, steps=steps)
    course = Course(
        steps=steps,
        steps_per_epoch=per_epoch,
        validate_every=1,
        patience=recipe.patience,
        monitor=MONITOR,
        validated=VALIDATED,
        precision=recipe.precision,
        optimiser=recipe.optimiser,
    )
    result = train_network(module, data, course, folder, options)
    network.load_state_dict(network_state(result.checkpoint))
    return network.eval()


def risk_logits(
    network: AkiRnn, reader: StayReader, stays: Sequence[int], *, batch_stays: int, window: int, device: str
) -> npt.NDArray[np.float64]:
    """Return ``(N, H)`` the risk logits of all steps of some stays, stay by stay.

    Args:
        network: Trained.
        reader: Reads prepared stays.
        stays: Numbers of the stays.
        batch_stays: Stays of a batch.
        window: Steps that are read at once.
        device: To work on.
    """
    windows = stay_windows(reader, stays)
    found: list[list[npt.NDArray[np.float64]]] = [[] for _ in stays]
    state: torch.Tensor | None = None
    network = network.eval().to(device)
    sampler = WindowSampler(windows.lengths, batch_stays=batch_stays, window=window, shuffle=False)
    with torch.no_grad():
        for keys in sampler:
            batch = collate_windows(windows.several(keys))
            output = network(batch.batch.to(device), None if batch.is_first else state)
            state = output.state
            logits = output.risk_logits.double().cpu().numpy()
            for key, row, length in zip(keys, logits, batch.batch.lengths.tolist(), strict=True):
                found[key.stay].append(row[:length])
    return np.concatenate([part for parts in found for part in parts])
