"""Many small studies in little time: one series is encoded, the others differ in their identifiers."""

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from medpipe.io.dicom.uids import derive_uid
from medpipe.io.dicom.write import SeriesLabels, series_datasets
from medpipe.simulate.faults.registry import Fault
from medpipe.simulate.small_ct import small_ct

_PATIENT: Final = "SIM-00000000"


def write_small_study(
    folder: Path, seed: int, *, num_slices: int = 20, size: int = 64, broken: Fault | None = None
) -> None:
    """Write a study of one small simulated CT series.

    Studies of different seeds differ in patient and UIDs alone.

    Args:
        folder: Made if absent.
        seed: Names the study; below 100 million.
        num_slices: Files of the series.
        size: Pixels along I and J.
        broken: Write this faulty study in place of a good one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if broken is not None:
        broken.write(folder, f"small study {seed}")
        return
    for number, template in enumerate(_templates(num_slices, size), start=1):
        (folder / f"IM{number:04d}.dcm").write_bytes(template.with_identifiers(seed))


def write_small_studies(
    folder: Path, count: int, *, num_slices: int = 20, size: int = 64, broken: tuple[Fault, ...] = ()
) -> list[Path]:
    """Write ``count`` small studies, each in a folder of its own.

    Args:
        folder: Receives ``study-00000`` and so on.
        count: Studies in all.
        num_slices: Files of each good series.
        size: Pixels along I and J.
        broken: One faulty study each, spread evenly among the good ones.

    Returns:
        The folders, in order.
    """
    faults = {(index + 1) * count // (len(broken) + 1): fault for index, fault in enumerate(broken)}
    folders = [folder / f"study-{number:05d}" for number in range(count)]
    for number, path in enumerate(folders):
        write_small_study(path, number, num_slices=num_slices, size=size, broken=faults.get(number))
    return folders


@dataclass(frozen=True)
class _Template:
    """An encoded file and the UIDs in it."""

    content: bytes
    uids: tuple[str, ...]

    def with_identifiers(self, seed: int) -> bytes:
        """Replace every UID and the patient by ones of the same length."""
        content = self.content.replace(_PATIENT.encode(), f"SIM-{seed:08d}".encode())
        for uid in self.uids:
            content = content.replace(uid.encode(), derive_uid(uid, seed).encode())
        return content


@cache
def _templates(num_slices: int, size: int) -> tuple[_Template, ...]:
    labels = SeriesLabels(
        seed=f"small study of {num_slices} slices",
        series_description="simulated small CT",
        patient_name="SIM^SMALL",
        patient_id=_PATIENT,
    )
    templates = []
    for dataset in series_datasets(small_ct(num_slices=num_slices, size=size), labels=labels):
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        uids = (
            dataset.StudyInstanceUID,
            dataset.SeriesInstanceUID,
            dataset.FrameOfReferenceUID,
            dataset.SOPInstanceUID,
        )
        templates.append(_Template(buffer.getvalue(), uids))
    return tuple(templates)
