"""Optimisers and learning rates by recipe."""

from collections.abc import Callable, Iterable
from math import cos, pi
from typing import Any, Final

import torch
from torch.optim.lr_scheduler import LambdaLR

from medpipe.training.recipe import OptimiserRecipe

_POLY_POWER: Final = 0.9
_MOMENTUM: Final = 0.99
"""Both as nnU-Net has them (Isensee et al. 2021, supplementary note 4)."""


def build_optimiser(
    parameters: Iterable[torch.nn.Parameter],
    recipe: OptimiserRecipe,
    *,
    undecayed: Iterable[torch.nn.Parameter] = (),
) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe.

    Args:
        parameters: Of the network.
        recipe: Which optimiser.
        undecayed: Further parameters, whose size means something: no weight decay.
    """
    groups: list[dict[str, Any]] = [{"params": list(parameters)}]
    if others := list(undecayed):
        groups.append({"params": others, "weight_decay": 0.0})
    if recipe.name == "sgd":
        return torch.optim.SGD(
            groups,
            lr=recipe.learning_rate,
            momentum=_MOMENTUM,
            nesterov=True,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def build_schedule(optimiser: torch.optim.Optimizer, recipe: OptimiserRecipe, *, steps: int) -> LambdaLR:
    """Return the learning rate's course over ``steps`` optimiser steps."""
    shapes: dict[str, Callable[[float], float]] = {
        "poly": lambda part: (1.0 - part) ** _POLY_POWER,
        "cosine": lambda part: 0.5 * (1.0 + cos(pi * part)),
        "constant": lambda part: 1.0,
    }
    shape, warmup = shapes[recipe.schedule], recipe.warmup * steps

    def rate(step: int) -> float:
        # The first step is taken, too.
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return rise * shape(min(1.0, step / steps))

    return LambdaLR(optimiser, rate)
