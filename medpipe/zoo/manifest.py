"""The manifest of a model package, ``package.json``: what a network is and how it is used, as data."""

import json
from typing import Any, Final, Literal, NoReturn, Self

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, model_validator

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.findings import Value
from medpipe.core.labels import Labels
from medpipe.core.preprocessing import Preprocessing
from medpipe.core.scores import FittedScore
from medpipe.core.settings import SettingsFile, validate_settings

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
    try:
        data = json.loads(content, object_pairs_hook=_each_once, parse_constant=_refuse_constant)
    except SettingsError:
        raise
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, numbers of thousands of digits
        raise SettingsError(
            Code.E_PACKAGE, f"{MANIFEST} is not valid JSON", found=str(error)[:100]
        ) from error
    return validate_settings(Manifest, SettingsFile(MANIFEST, data, lines={}))


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as it stands in the file."""
    return manifest.model_dump_json(indent=1) + "\n"


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise SettingsError(Code.E_PACKAGE, f"{MANIFEST}: a key stands twice", found=repr(twice[:100]))
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise SettingsError(Code.E_PACKAGE, f"{MANIFEST}: every number must be finite", found=name)
