"""The table of the RSNA 2019 challenge on haemorrhage in head CT, and the slices that it labels.

The form is the published one; it was not tested on the original files.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.members import listed
from medpipe.data.rows import Row, iterate_rows
from medpipe.data.studies import StudyCase, StudySet, wanted_names
from medpipe.data.study_reading import is_candidate
from medpipe.io.series import Series
from medpipe.io.tree import Progress, index_tree

KINDS: Final = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any")
"""What the table answers of each slice."""

_ID, _LABEL = "ID", "Label"

Labels = Mapping[str, float]


def read_rsna_haemorrhage(
    table: Path,
    images: Path,
    *,
    names: Mapping[str, str] | None = None,
    subset: bool = False,
    progress: Progress | None = None,
) -> StudySet:
    """Read ``stage_2_train.csv`` and group its DICOM files, which lie in one folder, by series.

    A label of a study is the highest of its slices. Files without labels are not in the set, neither is a
    series in which no file has any.

    Args:
        table: Columns ``ID`` and ``Label``, rows such as ``ID_0a1b2c_epidural,1``. Equal rows may repeat.
        images: Folder of files named by image, such as ``ID_0a1b2c.dcm``, which is the SOPInstanceUID too.
        names: Name of the label for each kind that is wanted; all under their own names where None.
        subset: Accept rows of images that are not in the folder.
        progress: Told of every file that is indexed.

    Raises:
        NoInputError: There is no folder, or no file with a label in it.
        SettingsError: A row is not of that form, two rows contradict each other, or an image is missing
            (``E_DATASET``).

    Source:
        Flanders et al., Construction of a Machine Learning Dataset through Collaboration: The RSNA 2019
        Brain CT Hemorrhage Challenge, Radiology: AI 2020.
    """
    names = wanted_names(names, KINDS, data_set="The RSNA table")
    images = Path(os.path.abspath(images))
    labelled = _read_labels(table, names)
    index = index_tree([images], progress=progress)
    series = [(item, study.patient) for study in index.studies for item in study.series if is_candidate(item)]
    if not subset:
        _check_images(labelled, [Path(file).stem for item, _ in series for file in item.files])
    cases = tuple(case for item, patient in series if (case := _case(item, patient, images, labelled)))
    if not cases:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"No file in {images.name} has a label in {table.name}",
            found=f"{index.num_files} files",
            fix="Files are named by image, such as ID_0a1b2c.dcm.",
        )
    return StudySet("rsna-2019-haemorrhage", cases, tuple(names.values()))


def _read_labels(table: Path, names: Mapping[str, str]) -> dict[str, Labels]:
    """Return the labels of each image; images with the same labels share them."""
    answers: dict[str, tuple[float | None, ...]] = {}
    places = {kind: place for place, kind in enumerate(names)}
    unknown = (None,) * len(names)
    for row in iterate_rows(table, needs=(_ID, _LABEL)):
        image, kind = _parted(row)
        label = row.label(_LABEL)
        if kind not in places:
            continue
        place, before = places[kind], answers.get(image, unknown)
        if before[place] not in (None, label):
            raise SettingsError(
                Code.E_DATASET,
                f"{row.place}: a row contradicts an earlier one",
                found=f"{image}_{kind} is {label:g}, {before[place]:g} before",
                fix="Keep one of the two.",
            )
        answers[image] = (*before[:place], label, *before[place + 1 :])
    shared: dict[tuple[float | None, ...], Labels] = {}
    for values in set(answers.values()):
        pairs = zip(names.values(), values, strict=True)
        shared[values] = {name: value for name, value in pairs if value is not None}
    return {image: shared[values] for image, values in answers.items()}


def _parted(row: Row) -> tuple[str, str]:
    """Return the image and the kind that a row names."""
    image, _, kind = row.text(_ID).rpartition("_")
    if not image or kind not in KINDS:
        raise SettingsError(
            Code.E_DATASET,
            f"{row.place}: the column {_ID!r} names an image and a kind, such as ID_0a1b2c_epidural",
            found=repr(row.cells[_ID][:100]),
            fix=f"Kinds are {', '.join(KINDS)}.",
        )
    return image, kind


def _check_images(labelled: Mapping[str, Labels], present: list[str]) -> None:
    missing = sorted(labelled.keys() - set(present))
    if missing:
        raise SettingsError(
            Code.E_DATASET,
            "Labels for slices that do not exist",
            found=f"{len(missing)} of {len(labelled)} images: {listed(missing)}",
            fix="Complete the folder, or state that it is a subset.",
        )


def _case(series: Series, patient: str, images: Path, labelled: Mapping[str, Labels]) -> StudyCase | None:
    """Return a series with the labels of its slices; None where it has none."""
    paths = [Path(file) for file in series.files]
    slices = {path.stem: labelled[path.stem] for path in paths if path.stem in labelled}
    if not slices:
        return None
    return StudyCase(
        id=f"{series.uid}-{series.part}" if series.part else series.uid,
        source=images,
        files=tuple(str(path.relative_to(images)) for path in paths),
        patient=patient,
        labels=dict(_highest(slices)),
        slice_labels=slices,
    )


def _highest(slices: Mapping[str, Labels]) -> Iterator[tuple[str, float]]:
    for name in dict.fromkeys(name for labels in slices.values() for name in labels):
        yield name, max(labels[name] for labels in slices.values() if name in labels)
