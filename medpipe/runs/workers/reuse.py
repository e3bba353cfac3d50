"""Reuse of finished stages: what a stage gave is taken from a saved study folder."""

import logging
from pathlib import Path

from medpipe.core.case import Case, Figure, Mask
from medpipe.core.errors import RefusedError
from medpipe.core.findings import QualityFlag
from medpipe.io.nifti import read_label_map
from medpipe.io.study_folder import MASK_LIST, MASKS, TABLES, MaskList, StageRecord, StudyFolder

logger = logging.getLogger(__name__)


def reuse_stage(path: Path, key: str, case: Case) -> Case | None:
    """Return the case with what a stage gave when it ran with this key.

    Args:
        path: Study folder of an earlier attempt; may be absent.
        key: Key of the stage.
        case: The case as it is before the stage.

    Returns:
        None where the stage did not run with this key, or where what it left is damaged.
    """
    if not path.is_dir():
        return None
    folder = StudyFolder(path)
    try:
        for record in folder.provenance.stages:
            if record.key == key:
                return _with_gift(folder, record, case)
    except (RefusedError, OSError, KeyError, ValueError) as error:
        logger.warning("unit %s: a saved stage cannot be reused: %s", case.id, type(error).__name__)
    return None


def _with_gift(folder: StudyFolder, record: StageRecord, case: Case) -> Case:
    gave = record.gave
    saved = {finding.id: finding for finding in folder.findings.findings}
    entries = {entry.name: entry for entry in folder.figures}
    figures = tuple(
        Figure(
            name=name,
            title=entries[name].title,
            caption=entries[name].caption,
            webp=folder.figure_bytes(entries[name]),
            alt=entries[name].alt,
        )
        for name in gave.figures
    )
    case = case.adding(
        findings=tuple(saved[name] for name in gave.findings),
        flags=tuple(item for name in gave.flags if isinstance(item := saved[name], QualityFlag)),
        figures=figures,
    )
    if gave.masks:
        case = case.with_(masks={**case.masks, **_read_masks(folder.path, gave.masks)})
    if gave.cards:
        case = case.with_(cards={**case.cards, **{maker: folder.cards[maker] for maker in gave.cards}})
    if gave.tables:
        case = case.with_(tables={**case.tables, **_read_tables(folder.path, gave.tables)})
    if gave.texts:
        texts = {name: (folder.path / name).read_text(encoding="utf-8") for name in gave.texts}
        case = case.with_(texts={**case.texts, **texts})
    return case


def _read_masks(folder: Path, names: tuple[str, ...]) -> dict[str, Mask]:
    listed = MaskList.model_validate_json((folder / MASK_LIST).read_bytes()).masks
    return {
        name: Mask(
            labels=read_label_map(folder / MASKS / f"{name}.nii.gz"),
            role=listed[name].role,
            names=listed[name].names,
        )
        for name in names
    }


def _read_tables(folder: Path, names: tuple[str, ...]) -> dict[str, object]:
    import pyarrow.parquet

    return {name: pyarrow.parquet.read_table(folder / TABLES / f"{name}.parquet") for name in names}
