"""Data sets laid out as those of the Medical Segmentation Decathlon and of nnU-Net."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.cases import SINGLE_CHANNEL, CaseSet, SegmentationCase
from medpipe.data.members import listed
from medpipe.data.paths import file_inside
from medpipe.io.bids import image_stem

DESCRIPTION: Final = "dataset.json"

_IMAGE_FOLDERS: Final = ("imagesTr", "images")
_MASK_FOLDERS: Final = ("labelsTr", "labels")
_CHANNEL: Final = re.compile(r"(.+)_(\d{4})")
"""nnU-Net's file names: the case and the number of the channel."""


class _Pair(BaseModel):
    image: str
    label: str


class _Description(BaseModel):
    """What is read of ``dataset.json``: of the Decathlon, and of nnU-Net 2, which lists no files."""

    name: str = ""
    licence: str = ""
    labels: dict[str, str | int] = {}
    modality: dict[int, str] = {}
    channel_names: dict[int, str] = {}
    training: list[_Pair] = []

    def channels(self) -> dict[int, str]:
        """Return the names of the channels; nothing where there is only one."""
        slugs = {number: _slug(name) for number, name in (self.channel_names or self.modality).items()}
        differ = len(set(slugs.values())) == len(slugs)
        return {
            number: slug if differ else f"{slug}_{number}" for number, slug in slugs.items() if len(slugs) > 1
        }

    def label_names(self) -> dict[int, str]:
        """Return the name of each value: the Decathlon writes value: name, nnU-Net 2 name: value."""
        pairs = [(key, name) if isinstance(name, str) else (name, key) for key, name in self.labels.items()]
        return {int(value): str(name) for value, name in pairs if int(value) != 0}


def read_decathlon(path: Path) -> CaseSet:
    """Read a data set by its ``dataset.json``, or by its folders alone.

    Without a list of files, images stand in ``imagesTr/`` (or ``images/``) and masks of the same name in
    ``labelsTr/`` (or ``labels/``); a further ``_0000`` in an image's name counts its channel. The layout
    knows no patients.

    Args:
        path: The folder, or the ``dataset.json`` in it.

    Raises:
        NoInputError: There are no such folders, or no case in them (``E_NO_INPUT``).
        SettingsError: The description is not valid, a file is missing, has no partner or lies outside of
            the folder (``E_DATASET``).

    Source:
        medicaldecathlon.com; nnU-Net 2, documentation/dataset_format.md.
    """
    folder = path if path.is_dir() else path.parent
    description = _Description()
    if not path.is_dir() or (path / DESCRIPTION).exists():
        description = _read_description(folder / DESCRIPTION if path.is_dir() else path)
    cases = _listed_cases(folder, description) if description.training else _found_cases(folder, description)
    return CaseSet(
        name=description.name or folder.absolute().name,
        cases=cases,
        label_names=description.label_names(),
        licence=description.licence,
    )


def _read_description(path: Path) -> _Description:
    try:
        description = _Description.model_validate_json(path.read_bytes())
        description.label_names()
    except OSError as error:
        raise SettingsError(
            Code.E_DATASET, f"{path.name} cannot be read", found=error.strerror or type(error).__name__
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "its text"
        raise SettingsError(
            Code.E_DATASET,
            f"{path.name}: {where} is not valid ({first['msg']})",
            found=repr(first["input"])[:100],
            fix="See the format of the Medical Segmentation Decathlon.",
        ) from error
    except ValueError as error:
        raise SettingsError(
            Code.E_DATASET,
            f"{path.name}: labels pair a number with a name",
            found=str(error),
            fix='Write {"0": "background", "1": "liver"}.',
        ) from error
    return description


def _listed_cases(folder: Path, description: _Description) -> tuple[SegmentationCase, ...]:
    if description.channels():
        raise SettingsError(
            Code.E_DATASET,
            f"{DESCRIPTION}: each file holds several channels",
            found=", ".join(description.channels().values()),
            fix="Split the files into one a channel (case_0000.nii.gz ...) and leave out the list of files.",
        )
    return tuple(
        SegmentationCase(
            id=image_stem(pair.image),
            images={SINGLE_CHANNEL: file_inside(folder, pair.image, where=DESCRIPTION)},
            mask=file_inside(folder, pair.label, where=DESCRIPTION),
        )
        for pair in description.training
    )


def _found_cases(folder: Path, description: _Description) -> tuple[SegmentationCase, ...]:
    masks = {image_stem(path.name): path for path in _images_in(folder, _MASK_FOLDERS)}
    files: dict[str, dict[int, Path]] = {}
    for path in _images_in(folder, _IMAGE_FOLDERS):
        stem = image_stem(path.name)
        numbered = None if stem in masks else _CHANNEL.fullmatch(stem)
        case_id, channel = (numbered[1], int(numbered[2])) if numbered else (stem, 0)
        files.setdefault(case_id, {})[channel] = path
    _check_pairs(sorted(files.keys() - masks.keys()), sorted(masks.keys() - files.keys()))
    names = description.channels() or _numbered_channels(files)
    return tuple(
        SegmentationCase(
            id=case_id,
            images={
                names.get(number, f"channel_{number}"): path for number, path in sorted(channels.items())
            },
            mask=masks[case_id],
        )
        for case_id, channels in files.items()
    )


def _images_in(folder: Path, names: Sequence[str]) -> list[Path]:
    for name in names:
        if (folder / name).is_dir():
            return sorted(
                file_inside(folder, f"{name}/{path.name}", where=name)
                for path in (folder / name).iterdir()
                if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
            )
    raise NoInputError(
        Code.E_NO_INPUT,
        f"The data set {folder.name} has no folder {' or '.join(names)}",
        found=listed(sorted(item.name for item in folder.iterdir())) if folder.is_dir() else "no folder",
        fix=f"Lay it out as imagesTr/ and labelsTr/, with or without {DESCRIPTION}, or list it in a table.",
    )


def _check_pairs(without_mask: Sequence[str], without_image: Sequence[str]) -> None:
    for missing, ids in (("mask", without_mask), ("image", without_image)):
        if ids:
            raise SettingsError(
                Code.E_DATASET,
                f"Files of the data set have no {missing} of the same name",
                found=listed(ids),
                fix="Add the missing files or remove the others.",
            )


def _numbered_channels(files: Mapping[str, Mapping[int, Path]]) -> dict[int, str]:
    numbers = sorted({number for channels in files.values() for number in channels})
    if numbers == [0]:
        return {0: SINGLE_CHANNEL}
    return {number: f"channel_{number}" for number in numbers}


def _slug(name: str) -> str:
    """Return a channel's name as recipes write it: ``"T1-Gd"`` becomes ``"t1_gd"``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or SINGLE_CHANNEL
