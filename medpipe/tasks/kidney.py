"""Kidney injury: loss of risks and lab maxima, and decoding of what the AKI network gives to findings.

Letters: B stays, T steps, H horizons, L labs, S steps of one stay that are decoded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import CodedConcept, Forecast, Maker, Risk
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.stay_batch import StayTruth
from medpipe.models.aki_rnn.model import AkiOutput
from medpipe.tasks.loss_weights import LossWeights

RISKS, LABS = "risks", "labs"
"""Names of the losses."""

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({RISKS: 1.0, LABS: 5.0})
"""Of Tomašev et al. 2021."""

AKI: Final = CodedConcept(scheme="SCT", value="14669001", meaning="Acute kidney injury")


class StayForecast(NamedTuple):
    """What is forecast at some steps of a stay.

    Attributes:
        at_h: ``(S,)`` hours of the stay at which each step ends: all that is known by then may be used.
        probs: ``(S, H)`` float64: of the event within each horizon.
        lab_maxima: ``(S, H, L)`` float64 in the labs' units; L may be 0.
    """

    at_h: Sequence[float]
    probs: Tensor
    lab_maxima: Tensor


@dataclass(frozen=True)
class KidneyTask:
    """Whether kidney injury comes within each horizon, and the largest value of each lab within it.

    Attributes:
        horizons_h: Horizons in hours, ascending.
        labs: Labs beside it, each with its scale; may be none.
        outcome: What is forecast, coded.

    Raises:
        SettingsError: Horizons do not ascend from above 0, or two labs share a name.

    Source:
        Tomašev et al. 2019: cross-entropy of the risks, squared error of normalised lab maxima.
    """

    horizons_h: tuple[float, ...]
    labs: tuple[ForecastLab, ...] = ()
    outcome: CodedConcept = AKI

    def __post_init__(self) -> None:
        horizons = (0.0, *self.horizons_h)
        if not self.horizons_h or any(shorter >= longer for shorter, longer in pairwise(horizons)):
            raise SettingsError(
                Code.E_SETTINGS, "Horizons must ascend from above 0 h", found=f"{list(self.horizons_h)}"
            )
        names = [lab.name for lab in self.labs]
        if len(set(names)) < len(names):
            raise SettingsError(Code.E_SETTINGS, "Names of labs must differ", found=f"{names}")

    def loss_weights(self, *, learned: bool) -> LossWeights:
        """Return weights of the losses: those of the source, fixed or beside learned scales."""
        return LossWeights((RISKS, LABS) if self.labs else (RISKS,), WEIGHTS, learned=learned)

    def losses(self, output: AkiOutput, truth: StayTruth) -> dict[str, Tensor]:
        """Return the mean loss of risks, and that of lab maxima, by name; what has no truth is left out.

        Args:
            output: Of the network.
            truth: NaN where unknown.

        Raises:
            ShapeError: Output, truth and task do not fit each other.
        """
        self._check(output, truth)
        losses = {}
        known = truth.risks.isfinite()
        if known.any():
            losses[RISKS] = binary_cross_entropy_with_logits(
                output.risk_logits[known], truth.risks[known].to(output.risk_logits.dtype)
            )
        if output.lab_maxima is not None:
            means, spreads = self._scales(truth.lab_maxima)
            normalised = (truth.lab_maxima - means) / spreads
            known = normalised.isfinite()
            if known.any():
                losses[LABS] = mse_loss(
                    output.lab_maxima[known], normalised[known].to(output.lab_maxima.dtype)
                )
        return losses

    def loss(self, output: AkiOutput, truth: StayTruth, weights: LossWeights) -> Tensor:
        """Return the weighted sum of the losses; 0 with a gradient of 0 where nothing is known.

        Args:
            output: Of the network.
            truth: NaN where unknown.
            weights: As of :meth:`loss_weights`.

        Raises:
            ShapeError: Output, truth and task do not fit each other.
        """
        return self.total(output, self.losses(output, truth), weights)

    def total(self, output: AkiOutput, losses: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
        """Return the weighted sum of losses that were computed before; see :meth:`loss`.

        Args:
            output: Of the network.
            losses: As of :meth:`losses`.
            weights: As of :meth:`loss_weights`.
        """
        # Every head has a gradient in every batch: training in several processes waits for all of them.
        nothing = 0.0 * output.risk_logits.sum()
        if output.lab_maxima is not None:
            nothing = nothing + 0.0 * output.lab_maxima.sum()
        return nothing + weights(losses) if losses else nothing

    def decode(self, risk_logits: Tensor, lab_maxima: Tensor | None, at_h: Sequence[float]) -> StayForecast:
        """Return probabilities, and maxima in the labs' units, of steps of one stay.

        Args:
            risk_logits: ``(S, H)`` of the network.
            lab_maxima: ``(S, H, L)`` of the network; None where it has no labs.
            at_h: ``(S,)`` hours of the stay at which each step ends.

        Raises:
            ShapeError: They do not fit each other or the task.
        """
        num_steps, num_horizons, num_labs = len(at_h), len(self.horizons_h), len(self.labs)
        if lab_maxima is None:
            lab_maxima = risk_logits.new_zeros(*risk_logits.shape, 0)
        expected = (num_steps, num_horizons)
        if risk_logits.shape != expected or lab_maxima.shape != (*expected, num_labs):
            raise ShapeError(
                f"Risks must be {expected}, maxima of labs the same with {num_labs} labs",
                found=f"{tuple(risk_logits.shape)} and {tuple(lab_maxima.shape)}",
            )
        numbers = lab_maxima.detach().double().cpu()
        means, spreads = self._scales(numbers)
        probs = torch.sigmoid(risk_logits.detach().double().cpu())
        # The logits never fall; a sigmoid that is rounded might. A concentration is not below 0.
        return StayForecast(at_h, probs.cummax(dim=1).values, (means + spreads * numbers).clamp_min(0.0))

    def findings(
        self, forecast: StayForecast, *, made_by: Maker, source: str = ""
    ) -> tuple[Risk | Forecast, ...]:
        """Return the findings of each step: a risk a horizon, then a forecast a lab and horizon.

        Args:
            forecast: Of :meth:`decode`, calibrated or not.
            made_by: Package.
            source: Role of the record; empty where there is one only.
        """
        return tuple(self._findings(forecast, made_by, source))

    def _findings(self, forecast: StayForecast, made_by: Maker, source: str) -> Iterator[Risk | Forecast]:
        prefix = "/".join(part for part in (made_by.name, source) if part)
        steps = zip(forecast.at_h, forecast.probs.tolist(), forecast.lab_maxima.tolist(), strict=True)
        for at_h, probs, maxima in steps:
            for horizon_h, prob in zip(self.horizons_h, probs, strict=True):
                yield Risk(
                    id=f"{prefix}/risk/{_when(at_h, horizon_h)}",
                    code=self.outcome,
                    source=source,
                    made_by=made_by,
                    at_h=at_h,
                    horizon_h=horizon_h,
                    probability=prob,
                )
            for horizon_h, values in zip(self.horizons_h, maxima, strict=True):
                for lab, value in zip(self.labs, values, strict=True):
                    yield Forecast(
                        id=f"{prefix}/{lab.name}/{_when(at_h, horizon_h)}",
                        code=lab.code,
                        source=source,
                        made_by=made_by,
                        lab=lab.name,
                        at_h=at_h,
                        horizon_h=horizon_h,
                        value=value,
                        unit=lab.unit,
                    )

    def _scales(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(L,)`` means and spreads of the labs."""
        means = like.new_tensor([lab.scale.mean for lab in self.labs])
        return means, like.new_tensor([lab.scale.spread for lab in self.labs])

    def _check(self, output: AkiOutput, truth: StayTruth) -> None:
        num_stays, num_steps, _ = output.risk_logits.shape
        risks = (num_stays, num_steps, len(self.horizons_h))
        maxima = (*risks, len(self.labs))
        given = None if output.lab_maxima is None else tuple(output.lab_maxima.shape)
        if (
            tuple(output.risk_logits.shape) != risks
            or tuple(truth.risks.shape) != risks
            or given != (maxima if self.labs else None)
            or (self.labs and tuple(truth.lab_maxima.shape) != maxima)
        ):
            raise ShapeError(
                f"Risks must be {risks}"
                + (f" and maxima of labs {maxima}" if self.labs else ", without labs"),
                found=f"output {tuple(output.risk_logits.shape)} and {given}, "
                f"truth {tuple(truth.risks.shape)} and {tuple(truth.lab_maxima.shape)}",
            )


def _when(at_h: float, horizon_h: float) -> str:
    return f"{at_h:.10g}h+{horizon_h:.10g}h"
