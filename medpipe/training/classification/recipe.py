"""Recipes of networks that answer questions about studies."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveInt, model_validator

from medpipe.core.class_labels import ClassLabels
from medpipe.core.scores import RegressionScore
from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.training.initial_weights import RANDOM
from medpipe.training.recipe import NetworkRecipe, OptimiserRecipe, Part, Precision, read_recipe_as
from medpipe.transforms.slice_augment import SliceAugmentation


class LossRecipe(Part):
    """How much each loss counts.

    Attributes:
        studies: Of answers about studies.
        slices: Of answers about slices.
        scores: Of each score.
        focus: Exponent of the focal loss; 0 for the plain log loss.
    """

    studies: NonNegativeFloat = 1.0
    slices: NonNegativeFloat = 1.0
    scores: NonNegativeFloat = 1.0
    focus: NonNegativeFloat = 0.0


class StageRecipe(Part):
    """One part of a training; parts follow each other, each from the weights of the one before.

    Attributes:
        train: ``"slices"``: the encoder, on single slices that have labels of their own; ``"aggregator"``:
            all but the encoder, on features that are computed once; ``"whole"``: everything, on whole
            studies.
        epochs: Times that every study, or as many slices as there are, is seen.
        batch_slices: Slices a step; whole studies as many as fit, one at least.
        positive_share: Share of slices with any label, of those drawn for ``"slices"``; 0 draws all alike.
        norms: Whether batch norm in the encoder learns what is normal from the batches of this part. Slices
            of a study are alike: where a batch holds few studies it is better ``"kept"`` as it was.
        optimiser: How weights change.
    """

    train: Literal["slices", "aggregator", "whole"]
    epochs: PositiveInt
    batch_slices: PositiveInt = 64
    positive_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    norms: Literal["learned", "kept"] = "learned"
    optimiser: OptimiserRecipe = OptimiserRecipe(learning_rate=1e-3, weight_decay=1e-2, schedule="cosine")


def _different(scores: tuple[RegressionScore, ...]) -> tuple[RegressionScore, ...]:
    names = [score.name for score in scores]
    if len(set(names)) < len(names):
        raise ValueError(f"score names must differ, found {names}")
    return scores


class ClassificationRecipe(Part):
    """Content of a training recipe.

    Attributes:
        name: Name of the model that comes out.
        task: ``"classification"``.
        labels: What is asked, from columns of the data set's tables.
        scores: Numbers of a study that are learned beside them, likewise.
        columns: Names of labels in RSNA's and CQ500's tables, such as ``any``, by our own, where they differ.
        preprocessing: What is done to a series before the network, in training and use alike.
        network: What is trained.
        initial: Weights that the encoder starts from; see
            :func:`medpipe.training.initial_weights.initialise_encoder`.
        augmentation: What is changed at random of a study while it is learned from; None for nothing.
        loss: How much each loss counts.
        stages: Parts of the training, in order.
        precision: Arithmetic.
        seed: Of weights, splits, batches and augmentation.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    task: Literal["classification"]
    labels: ClassLabels
    scores: Annotated[tuple[RegressionScore, ...], AfterValidator(_different)] = ()
    columns: dict[str, str] = Field(default_factory=dict)
    preprocessing: SlicePreprocessing
    network: NetworkRecipe = NetworkRecipe(name="slice-aggregator")
    initial: str = RANDOM
    augmentation: SliceAugmentation | None = None
    loss: LossRecipe = LossRecipe()
    stages: tuple[StageRecipe, ...] = Field(min_length=1)
    precision: Precision = "fp32"
    seed: int = 0

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        labels, scores = ({item.name for item in items} for items in (self.labels, self.scores))
        if both := sorted(labels & scores):
            raise ValueError(f"{both[0]!r} is both a label and a score")
        if unknown := sorted(self.columns.keys() - labels):
            raise ValueError(f"columns names {unknown[0]!r}, but the labels are {sorted(labels)}")
        return self


def read_classification_recipe(path: Path, *, overrides: tuple[str, ...] = ()) -> ClassificationRecipe:
    """Read and check a recipe; see :func:`medpipe.training.recipe.read_recipe_as`."""
    return read_recipe_as(ClassificationRecipe, path, overrides=overrides)
