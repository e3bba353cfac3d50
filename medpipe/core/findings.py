"""Findings: what was seen in a case, as a closed union of frozen values."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    model_serializer,
    model_validator,
)

from medpipe.core.codes import Code

SCHEMA_VERSION: Final = "1.0"
"""Version of ``findings.json``: the first number changes when old readers would misread it."""

NOT_FOR_DIAGNOSIS: Final = "Research use only: not for diagnosis"


def _readable_version(version: str) -> str:
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise ValueError(f"written as schema {version}; this medpipe reads schema {SCHEMA_VERSION}")
    return version


SchemaVersion = Annotated[str, AfterValidator(_readable_version)]
"""A version of the same first number as ours: others are refused rather than misread."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Value(BaseModel):
    """Base of the frozen values: unknown fields and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CodedConcept(Value):
    """A concept of a coding scheme (PS3.3 section 8).

    Attributes:
        scheme: Coding scheme designator such as ``"SCT"``, ``"DCM"``, ``"UCUM"`` or ``"99MEDPIPE"``.
        value: Code value.
        meaning: Words for people.
    """

    scheme: str
    value: str
    meaning: str


class Laterality(StrEnum):
    """Side of the patient's body."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    MIDLINE = "midline"


class Maker(Value):
    """What made a finding: a stage or a model package, and its version."""

    name: str
    version: str


class Uncertainty(Value):
    """An interval around a value and how it was got.

    Attributes:
        low: Lower bound, in the value's unit.
        high: Upper bound, in the value's unit.
        level: Probability that the interval claims to hold, such as 0.95; 0 for a spread.
        method: How it was got, such as ``"views"`` or ``"ensemble"``.
    """

    low: float
    high: float
    level: Probability
    method: str


class _Finding(Value):
    """What every finding has.

    Attributes:
        id: Unique in its record, stable between runs, such as ``"measure/body_volume"``.
        code: What the finding is, coded.
        laterality: Side, where it has one.
        source: Role of the image it was read from, such as ``"image"``; empty for the study.
        made_by: Stage or package, with version.
        uncertainty: Interval, where one is known.
    """

    id: str
    code: CodedConcept
    laterality: Laterality | None = None
    source: str = ""
    made_by: Maker
    uncertainty: Uncertainty | None = None


class Label(_Finding):
    """A class with its probability, and the curve over slices where there is one."""

    kind: Literal["label"] = "label"
    probability: Probability
    threshold: Probability
    slice_probabilities: tuple[Probability, ...] = ()

    @property
    def is_positive(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold

    @property
    def key_slice(self) -> int | None:
        """Index of the first slice of highest probability; None where there is no curve."""
        if not self.slice_probabilities:
            return None
        return self.slice_probabilities.index(max(self.slice_probabilities))


class Structure(_Finding):
    """A segmented structure.

    Attributes:
        mask: Name of its mask in the study folder.
        label: Value of its voxels in that mask.
        volume_ml: Volume in mL.
        centre_mm: Centroid of its voxels, RAS mm; stated on request.
    """

    kind: Literal["structure"] = "structure"
    mask: str
    label: int = Field(ge=1)
    volume_ml: float = Field(ge=0.0)
    centre_mm: tuple[float, float, float] | None = None


class Measurement(_Finding):
    """A number with its unit; ``unit`` is a UCUM code (``"1"`` for none)."""

    kind: Literal["measurement"] = "measurement"
    name: str
    value: float
    unit: str


class Lesion(_Finding):
    """A box around a lesion.

    Attributes:
        box: xyzxyz, half-open, voxels of the grid of image ``source``.
        centre_mm: RAS mm.
        size_mm: Extent along the three voxel axes in mm.
        score: Confidence in [0, 1].
    """

    kind: Literal["lesion"] = "lesion"
    box: tuple[float, float, float, float, float, float]
    centre_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    score: Probability


class Risk(_Finding):
    """The probability of an event within ``horizon_h`` hours after ``at_h`` hours of the stay."""

    kind: Literal["risk"] = "risk"
    at_h: float
    horizon_h: float = Field(gt=0.0)
    probability: Probability


class Forecast(_Finding):
    """The expected value of a lab within ``horizon_h`` hours after ``at_h`` hours of the stay."""

    kind: Literal["forecast"] = "forecast"
    lab: str
    at_h: float
    horizon_h: float = Field(gt=0.0)
    value: float
    unit: str


class Change(_Finding):
    """A change of a measurement against a prior study."""

    kind: Literal["change"] = "change"
    name: str
    prior_study: str
    prior_value: float
    value: float
    unit: str


class QualityFlag(_Finding):
    """Something a reader of the results must know; ``found`` states the value that was seen."""

    kind: Literal["quality_flag"] = "quality_flag"
    flag: Code
    message: str
    found: str = ""


class Sentence(_Finding):
    """A sentence of a report and the findings that it rests on."""

    kind: Literal["sentence"] = "sentence"
    section: str
    text: str
    rests_on: tuple[str, ...] = ()


class Unknown(Value):
    """A finding of a kind that this version does not know: kept and shown as text."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    kind: str
    id: str

    def as_text(self) -> str:
        """Return its fields as readable text."""
        fields = sorted(self.__pydantic_extra__.items())
        return f"{self.kind}: " + ", ".join(f"{name} = {value}" for name, value in fields)

    @model_serializer
    def _whole(self) -> dict[str, JsonValue]:
        """Keep nulls too, which known kinds leave out."""
        return {"kind": self.kind, "id": self.id, **self.__pydantic_extra__}


KnownFinding = Label | Structure | Measurement | Lesion | Risk | Forecast | Change | QualityFlag | Sentence
Finding = KnownFinding | Unknown
KINDS: Final = frozenset(kind.model_fields["kind"].default for kind in KnownFinding.__args__)
_KNOWN: Final[TypeAdapter[Any]] = TypeAdapter(Annotated[KnownFinding, Field(discriminator="kind")])


def parse_finding(data: object) -> Finding:
    """Read one finding; a kind that is not known becomes :class:`Unknown`.

    Raises:
        pydantic.ValidationError: The kind is known and its fields are wrong.
    """
    if isinstance(data, BaseModel):
        return data  # type: ignore[return-value]  # already a finding
    if isinstance(data, dict) and isinstance(kind := data.get("kind"), str) and kind not in KINDS:
        return Unknown.model_validate(data)
    finding: Finding = _KNOWN.validate_python(data)
    return finding


class FindingsRecord(Value):
    """All findings of one study: the one source of every document.

    Attributes:
        schema_version: Version of this format.
        study: Study id (a keyed hash, never an identifier of the patient).
        findings: In the order of the stages that made them.
    """

    schema_version: SchemaVersion = SCHEMA_VERSION
    notice: str = NOT_FOR_DIAGNOSIS
    study: str
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _parse_findings(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("findings"), Iterable):
            data = {**data, "findings": tuple(parse_finding(item) for item in data["findings"])}
        return data

    @model_validator(mode="after")
    def _check_ids(self) -> "FindingsRecord":
        seen: set[str] = set()
        for finding in self.findings:
            if finding.id in seen:
                raise ValueError(f"two findings share the id {finding.id!r}")
            seen.add(finding.id)
        return self

    @property
    def flags(self) -> tuple[QualityFlag, ...]:
        """The quality flags among the findings."""
        return tuple(item for item in self.findings if isinstance(item, QualityFlag))

    def to_json(self) -> str:
        """Return indented JSON, equal for equal records."""
        return self.model_dump_json(indent=1, exclude_none=True) + "\n"


def intensity_unit(modality: str) -> str:
    """Return the UCUM unit of an image's values: Hounsfield units for CT, arbitrary units for all others."""
    return "[hnsf'U]" if modality == "CT" else "[arb'U]"


def flag(
    code: Code, message: str, *, found: str = "", source: str = "", made_by: Maker, suffix: str = ""
) -> QualityFlag:
    """Build a quality flag whose id follows from maker, source and code."""
    name = "/".join(part for part in (made_by.name, source, code.value.lower(), suffix) if part)
    return QualityFlag(
        id=name,
        code=CodedConcept(scheme="99MEDPIPE", value=code.value, meaning=code.meaning),
        source=source,
        made_by=made_by,
        flag=code,
        message=message,
        found=found,
    )
