"""Writing of study folders: everything a case holds, in files that are equal for equal cases."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet

from medpipe.core.affine import is_oblique, shear_degrees
from medpipe.core.case import Case
from medpipe.core.errors import ShapeError
from medpipe.core.findings import Value
from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.nifti import write_label_map
from medpipe.io.study_folder import (
    CARDS,
    FIGURE_LIST,
    FIGURES,
    FINDINGS,
    MASK_LIST,
    MASKS,
    PROVENANCE,
    SOURCE,
    TABLES,
    FigureEntry,
    FigureList,
    ImageSource,
    ImageSummary,
    MaskEntry,
    MaskList,
    Provenance,
    StudySource,
    card_file,
)

if TYPE_CHECKING:
    from medpipe.core.case import Image


def write_study(folder: Path, case: Case, provenance: Provenance) -> None:
    """Write a case into an empty folder that the caller publishes as a whole.

    Raises:
        OSError: The disk refuses; the folder is then incomplete and must not be published.
    """
    (folder / FINDINGS).write_text(case.record().to_json(), encoding="utf-8")
    images = {
        role: ImageSource(summary=summarise_image(case.images[role]), source=source)
        for role, source in case.sources.items()
        if role in case.images
    }
    _write_value(folder / SOURCE, StudySource(study=case.id, images=images))
    _write_value(folder / PROVENANCE, provenance)
    if case.figures:
        _write_figures(folder, case)
    if case.masks:
        _write_masks(folder, case)
    if case.cards:
        (folder / CARDS).mkdir()
        for maker, text in case.cards.items():
            (folder / CARDS / card_file(maker)).write_text(text, encoding="utf-8")
    if case.tables:
        (folder / TABLES).mkdir()
        for name, table in case.tables.items():
            pyarrow.parquet.write_table(table, folder / TABLES / f"{name}.parquet")
    for name, text in case.texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def summarise_image(image: "Image") -> ImageSummary:
    """Return what a report says of an image's geometry."""
    if isinstance(image, Volume):
        return _summarise_volume(image)
    if isinstance(image, SliceStack):
        return _summarise_stack(image)
    return _summarise_planar(image)


def _summarise_volume(volume: Volume) -> ImageSummary:
    grid = volume.grid
    return ImageSummary(
        form="volume",
        modality=volume.modality,
        size=grid.shape,
        spacing_mm=_rounded(grid.spacing),
        orientation=grid.orientation,
        is_oblique=grid.is_oblique,
        tilt_degrees=round(shear_degrees(grid.affine), 3) if grid.is_sheared else 0.0,
        extent_mm=_rounded(grid.field_of_view_mm),
    )


def _summarise_stack(stack: SliceStack) -> ImageSummary:
    gaps = stack.gaps_mm
    facts = {"slice gaps": f"{gaps.min():.3f} to {gaps.max():.3f} mm"} if len(gaps) else {}
    num_slices, _, size_i, size_j = stack.array.shape
    spacing_i, spacing_j = stack.spacing_mm
    return ImageSummary(
        form="slices",
        modality=stack.modality,
        size=(size_i, size_j, num_slices),
        spacing_mm=_rounded((spacing_i, spacing_j)),
        is_oblique=is_oblique(stack.slice_affine(0)),
        extent_mm=_rounded((size_i * spacing_i, size_j * spacing_j, float(gaps.sum()))),
        facts=facts,
    )


def _summarise_planar(planar: Planar) -> ImageSummary:
    facts = {
        "pixel spacing": planar.spacing_kind.value,
        "view": planar.view,
        "laterality": planar.laterality.value if planar.laterality else "",
        "photometric": planar.photometric.value,
    }
    return ImageSummary(
        form="planar",
        modality=planar.modality,
        size=tuple(planar.array.shape[1:]),
        spacing_mm=_rounded(planar.pixel_spacing_mm or ()),
        facts={name: text for name, text in facts.items() if text},
    )


def _write_figures(folder: Path, case: Case) -> None:
    (folder / FIGURES).mkdir()
    entries = []
    for figure in case.figures:
        file = f"{figure.name}.webp"
        (folder / FIGURES / file).write_bytes(figure.webp)
        entries.append(
            FigureEntry(
                name=figure.name, file=file, title=figure.title, caption=figure.caption, alt=figure.alt
            )
        )
    _write_value(folder / FIGURE_LIST, FigureList(figures=tuple(entries)))


def _write_masks(folder: Path, case: Case) -> None:
    (folder / MASKS).mkdir()
    entries = {}
    for name, mask in case.masks.items():
        image = case.images[mask.role]
        if not isinstance(image, Volume):
            raise ShapeError("A mask lies on a volume", found=f"{name} on a {type(image).__name__}")
        write_label_map(folder / MASKS / f"{name}.nii.gz", mask.labels, image.affine)
        entries[name] = MaskEntry(role=mask.role, names=dict(mask.names))
    _write_value(folder / MASK_LIST, MaskList(masks=entries))


def _write_value(path: Path, value: Value) -> None:
    path.write_text(value.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values)
