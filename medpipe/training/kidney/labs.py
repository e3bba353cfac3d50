"""The seven labs whose maxima a network may forecast beside the risk, coded."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from medpipe.core.findings import CodedConcept
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.scores import ScoreScale
from medpipe.ehr.bucketing import Floats
from medpipe.ehr.variables import VARIABLES

LabName = Literal["creatinine", "urea", "sodium", "potassium", "chloride", "calcium", "phosphate"]

_LOINC: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "creatinine": ("14682-9", "Creatinine [Moles/volume] in Serum or Plasma"),
        "urea": ("22664-7", "Urea [Moles/volume] in Serum or Plasma"),
        "sodium": ("2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
        "potassium": ("2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
        "chloride": ("2075-0", "Chloride [Moles/volume] in Serum or Plasma"),
        "calcium": ("2000-8", "Calcium [Moles/volume] in Serum or Plasma"),
        "phosphate": ("14879-1", "Phosphate [Moles/volume] in Serum or Plasma"),
    }
)
"""Of Tomašev et al. 2019."""


def fitted_labs(names: Sequence[str], maxima: Floats) -> tuple[ForecastLab, ...]:
    """Return labs with the mean and spread of the maxima that are learned from.

    Args:
        names: The L labs.
        maxima: ``(N, H, L)`` in the variables' units; NaN where not measured.
    """
    return tuple(_fitted(name, maxima[..., place]) for place, name in enumerate(names))


def _fitted(name: str, maxima: Floats) -> ForecastLab:
    known = maxima[np.isfinite(maxima)].astype(np.float64)
    code, meaning = _LOINC[name]
    return ForecastLab(
        name=name,
        code=CodedConcept(scheme="LN", value=code, meaning=meaning),
        unit=VARIABLES[name].unit,
        scale=ScoreScale(mean=float(known.mean()), spread=float(known.std()) or 1.0)
        if len(known)
        else ScoreScale(),
    )
