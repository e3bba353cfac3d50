"""Recipes of networks that label voxels."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from medpipe.core.labels import Labels
from medpipe.core.preprocessing import Preprocessing
from medpipe.core.scores import Scores
from medpipe.training.recipe import NetworkRecipe, OptimiserRecipe, Part, Precision, read_recipe_as


class SamplingRecipe(Part):
    """How patches are drawn.

    Attributes:
        foreground_share: Share of patches that surely hold a labelled voxel, of a class drawn evenly.
        augmentation: Name or file of an augmentation recipe; empty for none.
    """

    foreground_share: float = Field(default=0.5, ge=0.0, le=1.0)
    augmentation: str = ""


class ScheduleRecipe(Part):
    """How long to train and how often to look.

    Attributes:
        steps: Optimiser steps in all.
        steps_per_epoch: Steps between checkpoints and log lines; ``steps`` is a multiple of it.
        batch_size: Patches a step, on each device.
        validate_every: Epochs between validations on whole cases.
        patience: Validations without a better score before stopping early; 0 for never.
        precision: ``"bf16"``, ``"fp16"`` (GPU only) or ``"fp32"``.
        seed: Of weights, splits and patches.
    """

    steps: int = Field(default=1500, ge=1)
    steps_per_epoch: int = Field(default=50, ge=1)
    batch_size: int = Field(default=4, ge=1)
    validate_every: int = Field(default=5, ge=1)
    patience: int = Field(default=0, ge=0)
    precision: Precision = "bf16"
    seed: int = 0


MASKS: Final = "masks"
"""Name of the loss of masks; those of scores are named as the scores."""


class LossRecipe(Part):
    """How much each loss counts, where a network learns masks and scores.

    Attributes:
        weighting: ``"fixed"``, or ``"learned"``: see :class:`medpipe.tasks.loss_weights.LossWeights`.
        weights: By ``masks`` or the name of a score; 1 for the others.
    """

    weighting: Literal["fixed", "learned"] = "fixed"
    weights: dict[str, Annotated[float, Field(gt=0.0)]] = Field(default_factory=dict)


class TrainingRecipe(Part):
    """Content of a training recipe.

    Attributes:
        name: Name of the model that comes out.
        task: ``"segmentation"``.
        labels: Classes beside the background.
        scores: Numbers that are learned beside them, from columns of the data set's table.
        preprocessing: What is done to images before the network, in training and use alike.
        network: What is trained.
        sampling: How patches are drawn.
        optimiser: How weights change.
        schedule: How long.
        deep_supervision: Whether coarser outputs are trained too.
        loss: How much each loss counts.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    task: Literal["segmentation"] = "segmentation"
    labels: Labels = Field(min_length=1)
    scores: Scores = ()
    preprocessing: Preprocessing
    network: NetworkRecipe = NetworkRecipe()
    sampling: SamplingRecipe = SamplingRecipe()
    optimiser: OptimiserRecipe = OptimiserRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()
    deep_supervision: bool = True
    loss: LossRecipe = LossRecipe()

    @field_validator("preprocessing")
    @classmethod
    def _orientation_is_known(cls, preprocessing: Preprocessing) -> Preprocessing:
        if not isinstance(preprocessing.orientation, str):
            raise ValueError(
                "augmentation moves images along axes of the body: give the orientation as codes, not "
                f"{preprocessing.orientation}"
            )
        return preprocessing

    @model_validator(mode="after")
    def _weights_name_losses(self) -> Self:
        unknown = sorted(self.loss.weights.keys() - set(self.loss_names))
        if unknown:
            raise ValueError(f"loss.weights names {unknown[0]!r}, but the losses are {self.loss_names}")
        return self

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of all losses."""
        return MASKS, *(score.name for score in self.scores)


def read_recipe(path: Path, *, overrides: tuple[str, ...] = ()) -> TrainingRecipe:
    """Read and check a recipe; see :func:`medpipe.training.recipe.read_recipe_as`."""
    return read_recipe_as(TrainingRecipe, path, overrides=overrides)
