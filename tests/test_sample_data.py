"""The committed images are three studies, each with the outcome that its name says."""

from pathlib import Path

from medpipe.runs.validate import validate

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"


def test_each_committed_image_is_a_study_of_its_own() -> None:
    index, verdicts = validate([SAMPLES])
    assert len(index.studies) == 3
    codes = {Path(verdict.path).parts[0]: verdict.codes for verdict in verdicts}
    assert codes == {
        "fault-slice-missing": ("E_GAP",),
        "marker-phantom-oblique.nii.gz": (),
        "simulated-head-ct-tilted": ("W_TILT",),
    }
