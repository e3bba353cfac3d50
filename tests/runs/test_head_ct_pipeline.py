"""The shipped pipeline ``head-ct``, from DICOM slices to answers about simulated heads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.codes import Code
from medpipe.core.findings import Label, Measurement, QualityFlag
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.study_folder import StudyFolder
from medpipe.runs.options import RunOptions
from medpipe.runs.runner import run
from medpipe.simulate.head_ct.studies import HeadStudy, simulated_head_ct
from medpipe.simulate.head_ct.truth import LABELS
from medpipe.simulate.head_ct.writing import series_labels
from medpipe.zoo.finder import shipped_folder

pytestmark = pytest.mark.skipif(
    not (shipped_folder() / "head-ct").is_dir(),
    reason="the model package 'head-ct' is not among those that come with medpipe",
)

FIRST_SEED = 300_000


def seed_where(accepts: Callable[[HeadStudy], bool]) -> HeadStudy:
    """Return the first study, of seeds that no training has seen, that is as wanted."""
    for seed in range(FIRST_SEED, FIRST_SEED + 40):
        study = simulated_head_ct(seed, num_slices=16)
        if accepts(study):
            return study
    raise AssertionError("no such study among 40")


def pipeline(scan: Path, output: Path) -> StudyFolder:
    run("head-ct", [scan], output, options=RunOptions(workers=0))
    return StudyFolder(next((output / "studies").iterdir()))


def labels_of(study: StudyFolder) -> dict[str, Label]:
    found = [item for item in study.findings.findings if isinstance(item, Label)]
    return {item.id.rsplit("/", 1)[1]: item for item in found}


def flags_of(study: StudyFolder) -> set[Code]:
    return {item.flag for item in study.findings.findings if isinstance(item, QualityFlag)}


@pytest.fixture(scope="module")
def bleeding() -> HeadStudy:
    return seed_where(lambda study: max(study.truth.volumes_ml.values()) > 20)


@pytest.fixture(scope="module")
def read(bleeding: HeadStudy, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    folder = tmp_path_factory.mktemp("head-ct")
    write_series(bleeding.image, folder / "scan", labels=series_labels("head"))
    return pipeline(folder / "scan", folder / "out")


def test_a_large_bleed_is_found_where_it_is(read: StudyFolder, bleeding: HeadStudy) -> None:
    kind = max(bleeding.truth.volumes_ml, key=bleeding.truth.volumes_ml.__getitem__)
    label = labels_of(read)[kind.value]
    assert label.is_positive
    assert label.key_slice is not None
    assert bleeding.truth.visible[label.key_slice, LABELS.index(kind.value)]


def test_every_question_is_answered_and_drawn(read: StudyFolder) -> None:
    assert set(labels_of(read)) == set(LABELS)
    (shift,) = (item for item in read.findings.findings if isinstance(item, Measurement))
    assert (shift.name, shift.unit) == ("Midline shift", "mm")
    names = {path.stem for path in (read.path / "figures").iterdir()}
    assert {"slice_curve", "key_slices"} <= names
    assert Code.W_UNSEEN not in flags_of(read)
    assert "simulated" in (read.path / "report.html").read_text()


def test_a_healthy_head_is_hardly_ever_called_ill(tmp_path: Path) -> None:
    healthy = seed_where(lambda study: not any(study.truth.labels.values()))
    write_series(healthy.image, tmp_path / "scan", labels=series_labels("healthy"))
    labels = labels_of(pipeline(tmp_path / "scan", tmp_path / "out"))
    assert sum(label.is_positive for label in labels.values()) <= 1


def test_what_is_no_head_is_flagged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # Two lungs in a body, coarsely: air, soft tissue, noise.
    array = np.full((12, 1, 120, 120), 40.0)
    array[:, :, 20:55, 30:90] = array[:, :, 65:100, 30:90] = -850.0
    array += rng.normal(0, 20, array.shape)
    stack = SliceStack(
        array=torch.from_numpy(array.round()),
        in_plane_mm=np.array(((-3.0, 0.0), (0.0, -3.0), (0.0, 0.0))),
        positions_mm=np.array([[180.0, 180.0, 5.0 * number] for number in range(12)]),
        thickness_mm=np.full(12, 5.0),
        modality="CT",
        source=Source(kind=SourceKind.MEMORY),
    )
    labels = SeriesLabels(
        seed="chest", series_description="simulated chest", patient_name="SIM^CHEST", patient_id="SIM-2"
    )
    write_series(stack, tmp_path / "scan", labels=labels)
    assert Code.W_UNSEEN in flags_of(pipeline(tmp_path / "scan", tmp_path / "out"))
