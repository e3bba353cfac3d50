"""Courses of the learning rate, by hand-worked numbers."""

import pytest
import torch

from medpipe.training.optimisation import build_optimiser, build_schedule
from medpipe.training.recipe import OptimiserRecipe


def rates(recipe: OptimiserRecipe, steps: int) -> list[float]:
    """Return the rate of each step."""
    optimiser = build_optimiser([torch.nn.Parameter(torch.zeros(1))], recipe)
    schedule = build_schedule(optimiser, recipe, steps=steps)
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    return found


def test_constant_rate_rises_over_its_warmup() -> None:
    recipe = OptimiserRecipe(learning_rate=0.4, schedule="constant", warmup=0.5)
    assert rates(recipe, 8) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4])


def test_cosine_falls_to_zero() -> None:
    recipe = OptimiserRecipe(learning_rate=1.0, schedule="cosine")
    assert rates(recipe, 4) == pytest.approx([1.0, 0.8535534, 0.5, 0.1464466])


def test_course_is_the_same_after_the_warmup() -> None:
    plain = OptimiserRecipe(learning_rate=1.0, schedule="poly")
    warmed = plain.model_copy(update={"warmup": 0.2})
    assert rates(warmed, 10)[1:] == pytest.approx(rates(plain, 10)[1:])
    assert rates(warmed, 10)[0] == pytest.approx(0.5)
