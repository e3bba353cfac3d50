"""Trying a package: does its network take what it says, and give what it promises?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.patient_record import PatientRecord
from medpipe.zoo.manifest import ClassificationManifest, KidneyManifest, Manifest, SegmentationManifest
from medpipe.zoo.package import Package

_SLICES = 3
"""Of the study that a network of slices is tried on."""

_STEPS = 3
"""Of the stay that networks of stays are tried on."""


def verify_package(package: Package) -> None:
    """Load the network and try it on an empty input.

    Raises:
        MachineError: The weights are not those of the manifest.
        SettingsError: The network is unknown, the weights do not fit it, or its input and output are not
            those of the preprocessing and the labels.
    """
    network, manifest = package.load_network(), package.manifest
    if isinstance(manifest, SegmentationManifest):
        _try_segmentation(network, manifest)
    elif isinstance(manifest, ClassificationManifest):
        _try_classification(network, manifest)
    else:
        _try_kidney(network, manifest)


def _try_segmentation(network: nn.Module, manifest: SegmentationManifest) -> None:
    spec = manifest.preprocessing
    output = _tried(manifest, network, torch.zeros(1, len(spec.channels), *spec.patch_shape))
    expected = (1, 1 + len(manifest.labels), *spec.patch_shape)
    if tuple(output.logits.shape) != expected:
        raise _other_output(
            manifest,
            "give logits for the background and each label",
            found=f"shape {tuple(output.logits.shape)}, expected {expected}",
        )
    _check_scores(manifest, output.scores, sum(item.score.num_outputs for item in manifest.scores))


def _try_classification(network: nn.Module, manifest: ClassificationManifest) -> None:
    from medpipe.models.slice_aggregator.model import SliceAggregator  # timm takes its time

    if not isinstance(network, SliceAggregator):
        raise _other_output(manifest, "read slices", found=manifest.network.name)
    spec = manifest.preprocessing
    slices = torch.zeros(_SLICES, len(spec.channels), *spec.shape)
    output = _tried(manifest, network, slices, [_SLICES], torch.ones(_SLICES))
    if output.study_logits.shape[1] != len(manifest.labels):
        raise _other_output(
            manifest,
            "give a logit for each label",
            found=f"{output.study_logits.shape[1]}, expected {len(manifest.labels)}",
        )
    _check_scores(manifest, output.scores, len(manifest.scores))


def _try_kidney(network: nn.Module, manifest: KidneyManifest) -> None:
    from medpipe.inference.kidney import KidneyForecaster
    from medpipe.models.aki_rnn.ensemble import AkiEnsemble

    if not isinstance(network, AkiEnsemble):
        raise _other_output(manifest, "read stays", found=manifest.network.name)
    if manifest.tree_weight > 0 and network.trees is None:
        raise _other_output(manifest, "have the trees that its manifest weighs", found="none")
    hours = manifest.steps.bucket_h * np.arange(_STEPS + 1, dtype=np.float64)
    record = PatientRecord(
        "", hours, np.full(len(hours), manifest.encoding.variables[0]), np.ones(len(hours))
    )
    forecaster = KidneyForecaster(network, manifest)
    with _refusals(manifest):
        (risks,) = forecaster.forecast(record)
    expected = (len(risks.end_h), len(manifest.horizons_h), len(manifest.labs))
    if risks.lab_maxima.shape != expected or not np.isfinite(risks.scores).all():
        raise _other_output(
            manifest,
            "give a number for each horizon and lab",
            found=f"shape {risks.lab_maxima.shape}, expected {expected}",
        )


def _tried(manifest: Manifest, network: nn.Module, *arguments: object) -> Any:
    with _refusals(manifest), torch.inference_mode():
        return network(*arguments)


@contextmanager
def _refusals(manifest: Manifest) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:  # another library's networks say it in their way
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {manifest.name!r} does not take what its preprocessing gives",
            found=str(error),
        ) from error


def _check_scores(manifest: Manifest, scores: Tensor | None, wanted: int) -> None:
    given = 0 if scores is None else scores.shape[1]
    if given != wanted:
        raise _other_output(manifest, "give the numbers of each score", found=f"{given}, expected {wanted}")


def _other_output(manifest: Manifest, what: str, *, found: str) -> SettingsError:
    return SettingsError(Code.E_PACKAGE, f"The network of {manifest.name!r} must {what}", found=found)
