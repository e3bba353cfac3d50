"""Data sets of studies by the form of their table: plain, RSNA 2019, CQ500."""

import csv
from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.cq500 import read_cq500
from medpipe.data.rsna_haemorrhage import read_rsna_haemorrhage
from medpipe.data.studies import StudySet
from medpipe.data.study_table import read_study_table
from medpipe.training.classification.recipe import ClassificationRecipe


def read_studies(
    table: Path,
    recipe: ClassificationRecipe,
    *,
    images: Path | None = None,
    slices: Path | None = None,
    subset: bool = False,
) -> StudySet:
    """Read the studies of a table; its columns tell which form it has.

    Args:
        table: ``id,image,...``; RSNA's ``stage_2_train.csv`` (``ID,Label``); or CQ500's ``reads.csv``.
        recipe: Which labels and scores are wanted.
        images: Folder of the scans of RSNA's and CQ500's tables; of a plain table where relative paths start,
            the table's own folder where None.
        slices: Labels of slices of a plain table.
        subset: Accept rows of RSNA's and CQ500's tables whose scans are not in the folder.

    Raises:
        NoInputError: There is no such file, or no study.
        SettingsError: The table is not valid, or lacks what the recipe wants (``E_DATASET``).
    """
    columns = _columns_of(table)
    if not {"ID", "Label"} <= columns and "R1:ICH" not in columns:
        return read_study_table(
            table,
            labels=[label.name for label in recipe.labels],
            scores=[score.name for score in recipe.scores],
            slices=slices,
            folder=images,
        )
    if images is None:
        raise SettingsError(
            Code.E_DATASET,
            f"{table.name} names scans whose folder is not stated",
            fix="Name it with --images.",
        )
    names = {recipe.columns.get(label.name, label.name): label.name for label in recipe.labels}
    read = read_cq500 if "R1:ICH" in columns else read_rsna_haemorrhage
    return read(table, images, names=names, subset=subset)


def _columns_of(table: Path) -> set[str]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return set(next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NoInputError(
            Code.E_NO_INPUT, f"The table {table} cannot be read", found=type(error).__name__
        ) from error
