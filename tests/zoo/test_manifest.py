"""The manifest as data: what is valid, and what is refused with the nearest key."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from medpipe.core.errors import SettingsError
from medpipe.zoo.manifest import (
    SegmentationManifest,
    SegmentationSpec,
    Weights,
    manifest_text,
    parse_manifest,
)


@pytest.fixture
def manifest(spec: SegmentationSpec) -> SegmentationManifest:
    weights = Weights(sha256="0" * 64, num_bytes=10, num_parameters=5)
    return SegmentationManifest(**dict(spec), weights=weights, made_with={"torch": "2.14.1"})


def changed(manifest: SegmentationManifest, change: Callable[[Any], object]) -> bytes:
    """Return the bytes of a manifest after a change to its JSON data."""
    data = json.loads(manifest_text(manifest))
    change(data)
    return json.dumps(data).encode()


def test_manifest_comes_back_as_written(manifest: SegmentationManifest) -> None:
    assert parse_manifest(manifest_text(manifest).encode()) == manifest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(labelz=[]), "unknown key 'labelz'.*Did you mean 'labels'"),
        (lambda data: data["network"].update(argumentz={}), "'argumentz'.*Did you mean 'arguments'"),
        (lambda data: data["weights"].update(sha265=""), "'sha265'.*Did you mean 'sha256'"),
        (lambda data: data["labels"][0].update(values=1), "'values'.*Did you mean 'value'"),
        (lambda data: data["preprocessing"].update(spacing=1), "'spacing'.*Did you mean 'spacing_mm'"),
        (lambda data: data["preprocessing"]["channels"][0].update(modalty="MR"), "'modality'"),
        (
            lambda data: data["preprocessing"]["channels"][0]["intensity"].update(regions="all"),
            "unknown key 'regions'. Did you mean 'region'",
        ),
        (lambda data: data.pop("weights"), "the key 'weights' is missing"),
        (lambda data: data.update(name="../../evil"), "'name' is not valid.*found '../../evil'"),
        (lambda data: data.update(name="/etc"), "found '/etc'"),
        (lambda data: data.update(name=".hidden"), "found '.hidden'"),
        (lambda data: data.update(version="1.0"), "found '1.0'"),
        (lambda data: data.update(task="surgery"), "found 'surgery'"),
        (lambda data: data.update(schema_version="2.0"), "found '2.0'"),
        (lambda data: data.update(labels=[]), "'labels' is not valid"),
        (lambda data: data["weights"].update(sha256="abc"), "found 'abc'"),
        (lambda data: data["weights"].update(num_parameters=6), "6 float16 values do not fit into 10 bytes"),
        (lambda data: data.update(calibration={"temperature": 0}), "'temperature' is not valid.*found 0"),
    ],
)
def test_wrong_key_or_value_is_refused_by_name(
    manifest: SegmentationManifest, change: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_manifest(changed(manifest, change))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"version": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b"[]", "expected keys and values"),
        (b'{"name": "a", "name": "b"}', "a key stands twice: found 'name'"),
        (b'{"name": NaN}', "must be finite: found NaN"),
        (b'{"name": 1e999}', "'name' is not valid"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_manifest(content)
