"""Labs whose course a network forecasts."""

from pydantic import Field

from medpipe.core.findings import CodedConcept, Value
from medpipe.core.scores import ScoreScale


class ForecastLab(Value):
    """A lab as a trained network forecasts it.

    Attributes:
        name: Short name, such as ``"creatinine"``.
        code: What it is, coded; its meaning is what people read.
        unit: UCUM code, such as ``"umol/L"``.
        scale: Of the network's numbers: mean and spread of the values trained on.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    code: CodedConcept
    unit: str
    scale: ScoreScale = ScoreScale()
