"""The manifest of a model package, ``package.json``: what a network is and how it is used, as data."""

from typing import Final, Literal, Self

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, model_validator

from medpipe.core.findings import Value
from medpipe.core.labels import Labels
from medpipe.core.preprocessing import Preprocessing
from medpipe.core.scores import FittedScore
from medpipe.core.settings import SettingsFile, validate_settings
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


class PackageSpec(Value):
    """What the maker of a package decides.

    Attributes:
        name: Name of the package and of its folder.
        version: Three numbers; raised whenever results change.
        summary: What it does, one line.
        task: What the network's output means.
        network: Which network.
        preprocessing: What the network expects of its input.
        labels: What its output channels mean, after channel 0, the background.
        scores: What its score head gives; empty where it has none.
        calibration: None where probabilities were not calibrated.
        licence: SPDX identifier; the text stands in the file ``LICENSE``.
        origin: Where an imported network came from; None for one that medpipe trained.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    version: str = Field(pattern=r"^\d{1,5}\.\d{1,5}\.\d{1,5}$")
    summary: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")
    task: Literal["segmentation"]
    network: NetworkSpec
    preprocessing: Preprocessing
    labels: Labels = Field(min_length=1)
    scores: tuple[FittedScore, ...] = ()
    calibration: Calibration | None = None
    licence: str = Field(pattern=r"^[A-Za-z0-9.+-]{1,64}$")
    origin: Origin | None = None


class Manifest(PackageSpec):
    """What stands in ``package.json``.

    Attributes:
        schema_version: Form of this file.
        weights: The weight file.
        made_with: Versions of the software that made it, by name.
    """

    schema_version: Literal["1.0"] = "1.0"
    weights: Weights
    made_with: dict[str, str]


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest as data.

    Raises:
        SettingsError: It is no JSON, states a key twice, or a key or value is not valid; an unknown key
            is answered with the nearest one.
    """
    data = parse_json(content, name=MANIFEST)
    return validate_settings(Manifest, SettingsFile(MANIFEST, data, lines={}))


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as it stands in the file."""
    return manifest.model_dump_json(indent=1) + "\n"
