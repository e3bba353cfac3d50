"""The report of a study: one self-contained page from its study folder."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.findings import Label, QualityFlag
from medpipe.core.settings import nearest
from medpipe.core.source import GeometryNote
from medpipe.io.atomic import write_text
from medpipe.io.study_folder import FINDINGS, REPORT, ImageSource, ImageSummary, StudyFolder
from medpipe.reports.cards import model_cards
from medpipe.reports.finding_rows import group_findings
from medpipe.reports.label_rows import BAR_WIDTH, CURVE_HEIGHT, CURVE_WIDTH, labels_above
from medpipe.reports.numbers import NARROW_SPACE, format_number, format_sizes
from medpipe.reports.page import render_page
from medpipe.reports.sides import side_rows
from medpipe.reports.texts import FIGURE_FAMILIES, LABEL_FAMILIES, OVERLAY_FAMILIES, figure_family, panel_text

_FIGURE_ORDER: Final = (*FIGURE_FAMILIES, "figures")
_SHOWN_INSTANCES: Final = 1000
"""Instance UIDs listed a series; more would make the page heavy and nobody reads them."""


@dataclass(frozen=True)
class FlagCard:
    """A flag in words; ``source`` is the role of the image, empty for the study."""

    code: str
    meaning: str
    message: str
    found: str
    source: str


@dataclass(frozen=True)
class ImagePanel:
    """An image in words: its role, facts in order, and where it came from."""

    role: str
    facts: tuple[tuple[str, str], ...]
    image: ImageSource

    @property
    def num_passed(self) -> int:
        """Number of geometry checks that held."""
        return sum(check.passed for check in self.image.source.checks)


@dataclass(frozen=True)
class Picture:
    """A figure with its pixels as a data URI; sheets of many tiles are too small to read when shrunk."""

    family: str
    title: str
    caption: str
    alt: str
    how_to_read: str
    uri: str
    is_sheet: bool


def render_study(folder: Path, *, formats: Sequence[str] = ("html", "json")) -> tuple[Path, ...]:
    """Write the documents of a study folder; equal folders give equal bytes.

    Args:
        folder: A complete study folder.
        formats: ``"html"``, and ``"json"``, which is ``findings.json`` itself.

    Returns:
        The path of each document, in the order of ``formats``.

    Raises:
        SettingsError: A format is not known.
        RefusedError: The study folder is incomplete or not valid.
        MachineError: Writing failed.
    """
    for name in formats:
        if name not in _WRITERS:
            raise SettingsError(
                Code.E_SETTINGS,
                "The report format is not known",
                found=repr(name),
                fix=nearest(name, _WRITERS),
            )
    study = StudyFolder(folder)
    return tuple(_WRITERS[name](study) for name in formats)


def _write_html(study: StudyFolder) -> Path:
    record = study.findings
    images = tuple(_image_panel(role, image) for role, image in sorted(study.source.images.items()))
    pictures = _pictures(study)
    labels = [finding for finding in record.findings if isinstance(finding, Label)]
    label_families = LABEL_FAMILIES if labels else ()
    context = {
        "study": record.study,
        "flags": _flag_cards(record.flags, images),
        "images": images,
        "groups": group_findings(record.findings),
        "sides": side_rows(record.findings),
        "overlays": [picture for picture in pictures if picture.family in OVERLAY_FAMILIES],
        "labels": labels,
        "labels_above": labels_above(labels),
        "label_pictures": [picture for picture in pictures if picture.family in label_families],
        "label_sizes": (BAR_WIDTH, CURVE_WIDTH, CURVE_HEIGHT),
        "pictures": [
            picture for picture in pictures if picture.family not in (*OVERLAY_FAMILIES, *label_families)
        ],
        "cards": model_cards(study.cards),
        "provenance": study.provenance,
        "schema_version": record.schema_version,
        "shown_instances": _SHOWN_INSTANCES,
        "parameter_text": _parameter_text,
    }
    path = study.path / REPORT
    write_text(path, render_page("study.html.j2", context))
    return path


def _existing_json(study: StudyFolder) -> Path:
    _ = study.findings  # refuses a folder whose record is missing or not valid
    return study.path / FINDINGS


_WRITERS: Final[dict[str, Callable[[StudyFolder], Path]]] = {"html": _write_html, "json": _existing_json}


def _flag_cards(flags: tuple[QualityFlag, ...], images: tuple[ImagePanel, ...]) -> tuple[FlagCard, ...]:
    """Return the flags of the record, and notes of the images that no stage turned into a flag."""
    raised = {(flag.flag, flag.source) for flag in flags}
    cards = [_card(flag.flag, flag, flag.source) for flag in flags]
    cards += [
        _card(note.code, note, panel.role)
        for panel in images
        for note in panel.image.source.notes
        if (note.code, panel.role) not in raised
    ]
    return tuple(cards)


def _card(code: Code, flag: QualityFlag | GeometryNote, source: str) -> FlagCard:
    return FlagCard(code.value, code.meaning, flag.message, flag.found, source)


def _image_panel(role: str, image: ImageSource) -> ImagePanel:
    facts = (*_geometry_facts(image.summary), *image.summary.facts.items(), *image.source.acquisition.items())
    return ImagePanel(role, tuple((name.replace("_", " "), value) for name, value in facts if value), image)


def _geometry_facts(summary: ImageSummary) -> tuple[tuple[str, str], ...]:
    axes = "straight along the patient's axes"
    if summary.is_oblique:
        axes = "oblique"
    if summary.tilt_degrees:
        axes = f"tilted by {format_number(summary.tilt_degrees, digits=3)}{NARROW_SPACE}°"
    return (
        ("form", summary.form),
        ("modality", summary.modality or "not stated"),
        ("size", format_sizes(summary.size, "voxels" if len(summary.size) > 2 else "pixels")),
        ("spacing", format_sizes(summary.spacing_mm, "mm") or "not stated"),
        ("extent", format_sizes(summary.extent_mm, "mm") or "not known"),
        ("orientation", summary.orientation),
        ("axes", axes if summary.orientation else ""),
    )


def _parameter_text(value: object) -> str:
    """Return a parameter of a stage as it stands in a pipeline file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pictures(study: StudyFolder) -> tuple[Picture, ...]:
    return tuple(
        Picture(
            title=entry.title,
            caption=entry.caption,
            alt=entry.alt,
            how_to_read=panel_text(figure_family(entry.name)).how_to_read,
            uri="data:image/webp;base64," + b64encode(study.figure_bytes(entry)).decode(),
            is_sheet=figure_family(entry.name) != "radiograph",
            family=figure_family(entry.name),
        )
        for entry in sorted(study.figures, key=lambda entry: _FIGURE_ORDER.index(figure_family(entry.name)))
    )
