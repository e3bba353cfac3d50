"""Write the small images of this folder anew: ``python sample_data/make.py``."""

from pathlib import Path

from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.nifti import write_volume
from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.head_ct.beaded import tilted_head_ct
from medpipe.simulate.phantom import marker_phantom, random_oblique_affine

PIXEL_MM = 2.5
STEP_MM = 5.0
FAULT = "slice_missing"


def main() -> None:
    """Write every image; the bytes do not change from run to run."""
    here = Path(__file__).parent
    labels = SeriesLabels(
        seed="sample data",
        series_description="simulated head CT, tilted",
        patient_name="SIM^HEAD",
        patient_id="SIM-0001",
        study_description="Simulated head CT",
    )
    head = tilted_head_ct(pixel_mm=PIXEL_MM, step_mm=STEP_MM)
    write_series(head.image, here / "simulated-head-ct-tilted", labels=labels)
    write_volume(here / "marker-phantom-oblique.nii.gz", marker_phantom(random_oblique_affine(1)).volume)
    broken = here / "fault-slice-missing"
    broken.mkdir(exist_ok=True)
    ALL_FAULTS[FAULT].write(broken, "sample data, fault")  # a study of its own


if __name__ == "__main__":
    main()
