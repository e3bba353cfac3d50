"""Training recipes: YAML that is data, the same rules as pipeline files; what all kinds have in common."""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from medpipe.core.settings import SettingsFile, parse_settings, read_settings, validate_settings

Precision = Literal["bf16", "fp16", "fp32"]
"""Arithmetic of a training; ``"fp16"`` is for a GPU only."""


class Part(BaseModel):
    """Base of the parts of a recipe: unknown keys and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkRecipe(Part):
    """A network of the registry.

    Attributes:
        name: Name in the registry.
        arguments: Its keyword arguments; channels and classes follow from data and labels.
    """

    name: str = "unet"
    arguments: dict[str, Any] = Field(default_factory=dict)


class OptimiserRecipe(Part):
    """How weights change.

    Attributes:
        name: ``"adamw"``, or ``"sgd"`` with Nesterov momentum 0.99 as nnU-Net has it.
        learning_rate: The largest.
        weight_decay: Decoupled for AdamW.
        schedule: ``"poly"`` (power 0.9) or ``"cosine"`` to zero, or ``"constant"``.
        warmup: Part of the steps over which the learning rate rises from zero to its course: new layers would
            tear up weights that were taken over.
        gradient_clip: Largest norm of the gradient; 0 for no limit.
        ema_decay: Decay of the exponential moving average of weights; 0 for none. Its window of
            ``1 / (1 - ema_decay)`` steps should be a small part of the training.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    schedule: Literal["poly", "cosine", "constant"] = "poly"
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    gradient_clip: float = Field(default=12.0, ge=0.0)
    ema_decay: float = Field(default=0.99, ge=0.0, lt=1.0)


Recipe = TypeVar("Recipe", bound=Part)


def read_recipe_as(kind: type[Recipe], path: Path, *, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read and check a training recipe.

    Args:
        kind: What it is a recipe of.
        path: YAML file.
        overrides: ``part.key=value``, such as ``schedule.steps=100``.

    Raises:
        SettingsError: Names line, key and the nearest valid key.
    """
    settings = read_settings(path)
    recipe = validate_settings(kind, settings)
    if not overrides:
        return recipe
    data = dict(settings.data)
    for text in overrides:
        target, _, value = text.partition("=")
        part, _, key = target.strip().partition(".")
        parsed = parse_settings(value, name=f"--set {text}").data
        data[part] = {**(data.get(part) or {}), key: parsed} if key else parsed
    return validate_settings(kind, SettingsFile(f"--set {' '.join(overrides)}", data, {}))
