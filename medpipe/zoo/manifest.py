"""The manifest of a model package, ``package.json``: what a network is and how it is used, as data."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, model_validator

from medpipe.core.class_labels import FittedLabel
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.findings import CodedConcept, Value
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.isotonic import IsotonicCurve
from medpipe.core.labels import Labels
from medpipe.core.preprocessing import Preprocessing
from medpipe.core.scores import FittedScore
from medpipe.core.settings import SettingsFile, nearest, validate_settings
from medpipe.core.slice_preprocessing import Seen, SlicePreprocessing
from medpipe.ehr.bucketing import MEASURED
from medpipe.ehr.kidney_labels import LabelRule
from medpipe.ehr.kidney_state import KIDNEY_STATE
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_statics import STATICS
from medpipe.ehr.step_rule import StepRule
from medpipe.zoo.strict_json import parse_json

MANIFEST: Final = "package.json"
_BYTES_PER_PARAMETER: Final = 2


class NetworkSpec(Value):
    """A network of the registry.

    Attributes:
        name: As :mod:`medpipe.models.registry` knows it.
        arguments: Keyword arguments of its constructor.
    """

    name: str
    arguments: dict[str, JsonValue]


class Calibration(Value):
    """How logits become probabilities.

    Attributes:
        method: The only one so far: logits are divided by a temperature before the softmax.
        temperature: 1 changes nothing.
    """

    method: Literal["temperature"] = "temperature"
    temperature: PositiveFloat


class Weights(Value):
    """The weight file that belongs to the manifest.

    Attributes:
        sha256: Hexadecimal, over all bytes of the file.
        num_bytes: Its size.
        num_parameters: Trainable numbers of the network.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    num_bytes: PositiveInt
    num_parameters: PositiveInt

    @model_validator(mode="after")
    def _fit_the_file(self) -> Self:
        # Otherwise a small file could ask for a network that exhausts the memory.
        if self.num_parameters * _BYTES_PER_PARAMETER > self.num_bytes:
            raise ValueError(f"{self.num_parameters} float16 values do not fit into {self.num_bytes} bytes")
        return self


class Origin(Value):
    """The model of another toolkit that a package was made from.

    Attributes:
        kind: Form that it had.
        name: What it was called there.
        version: Version that it had there; empty where it stated none.
        sha256: Hexadecimal, over all bytes of its weight file.
    """

    kind: Literal["monai-bundle", "nnunet"]
    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")
    version: str = Field(default="", max_length=50, pattern=r"^[^\r\n]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Spec(Value):
    """What the maker of any package decides.

    Attributes:
        name: Name of the package and of its folder.
        version: Three numbers; raised whenever results change.
        summary: What it does, one line.
        network: Which network.
        licence: SPDX identifier; the text stands in the file ``LICENSE``.
        origin: Where an imported network came from; None for one that medpipe trained.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    version: str = Field(pattern=r"^\d{1,5}\.\d{1,5}\.\d{1,5}$")
    summary: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")
    network: NetworkSpec
    licence: str = Field(pattern=r"^[A-Za-z0-9.+-]{1,64}$")
    origin: Origin | None = None


class SegmentationSpec(_Spec):
    """A network that labels voxels.

    Attributes:
        task: What the network's output means.
        preprocessing: What the network expects of its input.
        labels: What its output channels mean, after channel 0, the background.
        scores: What its score head gives; empty where it has none.
        calibration: None where probabilities were not calibrated.
    """

    task: Literal["segmentation"]
    preprocessing: Preprocessing
    labels: Labels = Field(min_length=1)
    scores: tuple[FittedScore, ...] = ()
    calibration: Calibration | None = None


class ClassificationSpec(_Spec):
    """A network that answers questions about a study and its slices.

    Attributes:
        task: What the network's output means.
        preprocessing: What the network expects of a series.
        labels: What its logits mean.
        scores: Numbers that it reads of a study beside them; none of them ordinal.
        seen: What it was trained on; series beyond that are flagged.
    """

    task: Literal["classification"]
    preprocessing: SlicePreprocessing
    labels: tuple[FittedLabel, ...] = Field(min_length=1)
    scores: tuple[FittedScore, ...] = ()
    seen: Seen | None = None


class SeenStays(Value):
    """What a network of stays was trained on.

    Attributes:
        patients: Number of them.
        stays: Number of their stays.
        ages: Between these lie 98 % of their ages, in years; None where none is known.
        steps: Steps of the longest stay.
    """

    patients: PositiveInt
    stays: PositiveInt
    ages: tuple[float, float] | None = None
    steps: PositiveInt


class KidneySpec(_Spec):
    """Networks and trees that forecast kidney injury at every step of a stay.

    Attributes:
        task: What the network's output means.
        definition: What counts as the outcome: the rule of its labels, one line.
        rule: The same as data; None where the labels were those that a source brought along.
        outcome: The outcome, coded.
        encoding: How steps become what the networks take.
        steps: When steps end.
        horizons_h: Hours that are looked ahead, ascending.
        labs: Labs whose maxima are forecast beside it; may be none.
        tree_weight: Share of the trees' log-odds in the merged score; the rest is the networks' mean.
        curves: From the merged score, as a probability, to the risk: one a horizon.
        thresholds: Least risk of an alert for each horizon, chosen on the calibration part; None where no
            threshold reaches ``target_precision`` there.
        alert_horizon_h: Horizon that alerts are of unless told otherwise; None for 48 h, or the longest.
        target_precision: Share of alerting steps, of known outcome, with the outcome.
        seen: What was trained on.
    """

    task: Literal["kidney"]
    definition: str = Field(min_length=1, max_length=300, pattern=r"^[^\r\n]+$")
    rule: LabelRule | None = None
    outcome: CodedConcept
    encoding: StayEncoding
    steps: StepRule
    horizons_h: tuple[PositiveFloat, ...] = Field(min_length=1)
    labs: tuple[ForecastLab, ...] = ()
    tree_weight: float = Field(ge=0.0, le=1.0)
    curves: tuple[IsotonicCurve, ...]
    thresholds: tuple[Annotated[float, Field(ge=0.0, le=1.0)] | None, ...]
    alert_horizon_h: PositiveFloat | None = None
    target_precision: float = Field(gt=0.0, le=1.0)
    seen: SeenStays

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        if list(self.horizons_h) != sorted(set(self.horizons_h)):
            raise ValueError("horizons must ascend")
        counts = len(self.horizons_h), len(self.curves), len(self.thresholds)
        if len(set(counts)) > 1:
            raise ValueError("{} horizons, {} curves and {} thresholds".format(*counts))
        if self.alert_horizon_h is not None and self.alert_horizon_h not in self.horizons_h:
            raise ValueError(f"alerts are of {self.alert_horizon_h:g} h, which is no horizon")
        if unknown := [name for name in self.encoding.variables if name not in MEASURED]:
            raise ValueError(f"the encoding asks for {unknown[0]!r}, which is no variable")
        if (statics := tuple(scale.name for scale in self.encoding.scales.statics)) != STATICS:
            raise ValueError(f"the statics must be {', '.join(STATICS)}, not {', '.join(statics) or 'none'}")
        state = tuple(scale.name for scale in self.encoding.scales.state)
        if state and state != KIDNEY_STATE:
            raise ValueError(f"the state of the kidneys must be {len(KIDNEY_STATE)} numbers of known names")
        return self


class _Stored(Value):
    """What the writer of a package adds.

    Attributes:
        schema_version: Form of this file.
        weights: The weight file.
        made_with: Versions of the software that made it, by name.
    """

    schema_version: Literal["1.0"] = "1.0"
    weights: Weights
    made_with: dict[str, str]


class SegmentationManifest(_Stored, SegmentationSpec):
    """What stands in ``package.json`` of a network that labels voxels."""


class ClassificationManifest(_Stored, ClassificationSpec):
    """What stands in ``package.json`` of a network that answers questions."""


class KidneyManifest(_Stored, KidneySpec):
    """What stands in ``package.json`` of networks that forecast kidney injury."""


PackageSpec = SegmentationSpec | ClassificationSpec | KidneySpec
Manifest = SegmentationManifest | ClassificationManifest | KidneyManifest
_MANIFESTS: Final[Mapping[str, type[Manifest]]] = {
    "segmentation": SegmentationManifest,
    "classification": ClassificationManifest,
    "kidney": KidneyManifest,
}


def complete(spec: PackageSpec, weights: Weights, made_with: dict[str, str]) -> Manifest:
    """Return the manifest of what the maker decided."""
    return _MANIFESTS[spec.task](**dict(spec), weights=weights, made_with=made_with)


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest as data.

    Raises:
        SettingsError: It is no JSON, states a key twice, or a key or value is not valid; an unknown key
            is answered with the nearest one.
    """
    data = parse_json(content, name=MANIFEST)
    settings = SettingsFile(MANIFEST, data, lines={})
    task = data.get("task", "segmentation") if isinstance(data, dict) else "segmentation"
    if not isinstance(task, str) or task not in _MANIFESTS:
        raise SettingsError(
            Code.E_PACKAGE,
            f"{MANIFEST}: 'task' is not valid",
            found=repr(task),
            fix=nearest(str(task), _MANIFESTS),
        )
    return validate_settings(_MANIFESTS[task], settings)


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as it stands in the file."""
    return manifest.model_dump_json(indent=1) + "\n"
