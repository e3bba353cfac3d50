"""Recipes of networks that forecast kidney injury."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from medpipe.core.settings import nearest
from medpipe.data.stay_splits import SplitShares
from medpipe.ehr.baseline import BaselineRule
from medpipe.ehr.bucketing import MEASURED
from medpipe.ehr.horizons import HORIZONS_H
from medpipe.ehr.kidney_labels import YAIB_REACH_H, LabelRule
from medpipe.ehr.step_rule import StepRule
from medpipe.text.code_vectors import VectorSettings
from medpipe.training.kidney.labs import LabName
from medpipe.training.recipe import NetworkRecipe, OptimiserRecipe, Part, Precision, read_recipe_as


def _check_variable(name: str) -> str:
    if name not in MEASURED:
        raise ValueError(f"{name!r} is no variable; {nearest(name, MEASURED)}")
    return name


VariableName = Annotated[str, AfterValidator(_check_variable)]


class Aki48(Part):
    """Kidney injury by KDIGO, from the record's own creatinine, that begins within each horizon.

    Attributes:
        kind: ``"aki48"``.
        baseline: Against which a rise is judged: a choice, without default.
        fallback: Rule where the first gives none; null for none.
        min_stage: Least stage that counts.
        urine: Whether urine is judged too: as intensive care records it.
        horizons_h: Hours, ascending.
        bucket_h: Hours of a step.
    """

    kind: Literal["aki48"]
    baseline: BaselineRule
    fallback: BaselineRule | None = None
    min_stage: Literal[1, 2, 3] = 1
    urine: bool = False
    horizons_h: tuple[PositiveFloat, ...] = HORIZONS_H
    bucket_h: PositiveFloat = 6.0

    @field_validator("horizons_h")
    @classmethod
    def _whole(cls, hours: tuple[float, ...]) -> tuple[float, ...]:
        if any(hour % 1 for hour in hours):
            raise ValueError("horizons are whole hours, as files of predictions state them")
        return hours

    @property
    def rule(self) -> LabelRule | None:
        """What counts."""
        return LabelRule(
            baseline=self.baseline, fallback=self.fallback, min_stage=self.min_stage, urine=self.urine
        )

    @property
    def steps(self) -> StepRule:
        """When steps end."""
        return StepRule(bucket_h=self.bucket_h)

    @property
    def words(self) -> str:
        """What it is, for people: the rule that decides how many injuries there are included."""
        rules = f"{self.baseline.value}, else {self.fallback.value}" if self.fallback else self.baseline.value
        judged = "creatinine or urine" if self.urine else "creatinine"
        return (
            f"aki48: KDIGO stage {self.min_stage} or more by {judged} begins within the horizon, "
            f"baseline {rules}, steps of {self.bucket_h:g} h"
        )


class Yaib6(Part):
    """The labels of a YAIB task, hour by hour: injury from 6 hours before to 6 hours after each hour.

    Attributes:
        kind: ``"yaib6"``.
        drop_after_onset: Whether hours in which the injury is known already are neither learned nor judged.
    """

    kind: Literal["yaib6"]
    drop_after_onset: bool

    @property
    def horizons_h(self) -> tuple[float, ...]:
        """The one horizon."""
        return (YAIB_REACH_H,)

    @property
    def rule(self) -> LabelRule | None:
        """None: the source has its own."""
        return None

    @property
    def steps(self) -> StepRule:
        """When steps end: at the hours of the table, from hour 0 on."""
        return StepRule(bucket_h=1.0, from_admission=True)

    @property
    def words(self) -> str:
        """What it is, for people."""
        after = (
            "hours after the onset left out" if self.drop_after_onset else "hours after the onset judged too"
        )
        return f"yaib6: the records' own labels, injury within 6 h to either side, {after}"


class InputsRecipe(Part):
    """What the network is told.

    Attributes:
        variables: Those that it is told, by name; null for all.
        course: Whether it is told the last, least and greatest values since admission at every step, beside
            what is new in the step.
        state: Whether it is told what the record shows of the kidneys: urine for the body's weight over some
            hours, the rise of creatinine, and which criteria of injury they meet.
        codes: Whether it is told drugs, diagnoses and procedures.
        code_vectors: Vectors that codes, and the presence of variables, begin with: how they are learned from
            the patients trained on, or a file of ``medpipe embed codes``; null for a random start. Their
            dimension is the network's ``embedding``.
        least_stays: Stays trained on that must have a variable or a code for it to be taken.
    """

    variables: tuple[VariableName, ...] | None = None
    course: bool = True
    state: bool = True
    codes: bool = False
    code_vectors: VectorSettings | str | None = None
    least_stays: PositiveInt = 10


class LossRecipe(Part):
    """How much each loss counts.

    Attributes:
        weighting: ``"learned"`` divides each loss by a learned scale beside its weight.
        labs: Weight of the lab maxima; that of the risks is 1.
        lookup_l1: Weight of the absolute values of the embedding's matrices.
    """

    weighting: Literal["fixed", "learned"] = "fixed"
    labs: NonNegativeFloat = 5.0
    lookup_l1: NonNegativeFloat = 1e-5


class TreesRecipe(Part):
    """Boosted trees on the same steps, to hold the network against.

    Attributes:
        rounds: Trees a horizon, at most; fewer where the validation stops them.
        leaves: Leaves of a tree.
        learning_rate: Share of each tree.
    """

    rounds: PositiveInt = 400
    leaves: Annotated[int, Field(ge=2)] = 15
    learning_rate: PositiveFloat = 0.05


class KidneyRecipe(Part):
    """Content of a training recipe.

    Attributes:
        name: Name of the model that comes out.
        task: What is forecast.
        labs: Labs whose maxima are forecast beside it; empty for none.
        inputs: What the network is told.
        split: Shares of the patients.
        split_by: ``"records"`` takes the split that MEDS records bring along (tuning is the validation,
            held_out the test), where they bring one; ``"seed"`` draws anew.
        labelled: Share of the patients trained on whose outcomes are learned from; lab maxima are learned of
            all.
        split_seed: Of the split alone, so that seeds of networks are judged on one.
        network: What is trained.
        loss: How much each loss counts.
        epochs: Times that every stay is seen, at most.
        patience: Epochs without a better validation before stopping; 0 for never.
        batch_stays: Stays a step.
        window: Steps of a stay that are learned from at once; longer stays carry their state on.
        optimiser: How weights change.
        seeds: One network each; together they are the ensemble.
        trees: Boosted trees beside; null for none.
        alert_precision: Share of alerting steps that shall have the outcome: chooses thresholds.
        alert_horizon_h: Horizon that alerts are of unless told otherwise; null for 48 h, or the longest.
        precision: Arithmetic.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    task: Annotated[Aki48 | Yaib6, Field(discriminator="kind")]
    labs: tuple[LabName, ...] = ()
    inputs: InputsRecipe = InputsRecipe()
    split: SplitShares = SplitShares()
    split_by: Literal["records", "seed"] = "records"
    labelled: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    split_seed: int = 0
    network: NetworkRecipe = NetworkRecipe(name="aki-rnn")
    loss: LossRecipe = LossRecipe()
    epochs: PositiveInt = 20
    patience: Annotated[int, Field(ge=0)] = 5
    batch_stays: PositiveInt = 32
    window: PositiveInt = 128
    optimiser: OptimiserRecipe = OptimiserRecipe(learning_rate=1e-3, schedule="constant", gradient_clip=1.0)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0, 1, 2), min_length=1)
    trees: TreesRecipe | None = TreesRecipe()
    alert_precision: Annotated[float, Field(gt=0.0, le=1.0)] = 0.33
    alert_horizon_h: PositiveFloat | None = None
    precision: Precision = "fp32"

    @model_validator(mode="after")
    def _alerts_of_a_horizon(self) -> Self:
        if self.alert_horizon_h is not None and self.alert_horizon_h not in self.task.horizons_h:
            raise ValueError(f"alert_horizon_h must be one of the horizons, {list(self.task.horizons_h)}")
        return self


def read_kidney_recipe(path: Path, *, overrides: tuple[str, ...] = ()) -> KidneyRecipe:
    """Read and check a recipe; see :func:`medpipe.training.recipe.read_recipe_as`."""
    return read_recipe_as(KidneyRecipe, path, overrides=overrides)
