"""What a finished case hands to the cohort page."""

from pathlib import Path

from medpipe.core.case import Case
from medpipe.core.findings import CodedConcept, Label, Maker
from medpipe.runs.folder.book import StateBook
from medpipe.runs.folder.lease import Leases
from medpipe.runs.folder.state import LabelState, StateStore
from medpipe.runs.unit import Unit
from medpipe.runs.workers.outcome import finished


def label(name: str, source: str, probability: float, threshold: float = 0.5) -> Label:
    return Label(
        id=f"classify/{source}/{name}",
        code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=name),
        source=source,
        made_by=Maker(name="head-ct", version="1.0.0"),
        probability=probability,
        threshold=threshold,
    )


def test_of_several_images_the_highest_above_its_threshold_counts() -> None:
    findings = (
        label("bleed", "thin", 0.6, 0.5),
        label("shift", "thin", 0.1),
        label("bleed", "thick", 0.55, 0.3),
    )
    outcome = finished(Case("st-1", findings=findings))
    # 0.25 above its threshold beats 0.1 above.
    assert outcome.labels == (
        LabelState(name="bleed", probability=0.55, threshold=0.3),
        LabelState(name="shift", probability=0.1, threshold=0.5),
    )


def test_cohort_page_gets_a_limited_number_of_labels() -> None:
    findings = tuple(label(f"label {number}", "image", 0.1) for number in range(40))
    assert len(finished(Case("st-1", findings=findings)).labels) == 16


def test_labels_are_kept_in_the_state(tmp_path: Path) -> None:
    states = StateStore(tmp_path)
    book = StateBook(states, Leases(tmp_path), results_key="k", progress=None)
    unit = Unit("st-1", "a.nii")
    assert book.begin(unit, 1, "cpu")
    book.end(unit, 1, "cpu", finished(Case("st-1", findings=(label("bleed", "image", 0.7),))))
    state = states.read("st-1")
    assert state is not None
    assert state.labels == (LabelState(name="bleed", probability=0.7, threshold=0.5),)
