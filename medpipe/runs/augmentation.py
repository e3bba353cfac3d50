"""Augmented copies of scans as files, each with the record that makes it again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError, RefusedError, SettingsError
from medpipe.core.findings import NOT_FOR_DIAGNOSIS, Value
from medpipe.core.planar import Planar, SpacingKind
from medpipe.core.volume import Volume
from medpipe.figures.augment_sheet import Column, Cuts, choose_cuts, draw_block, planar_cuts, stack_blocks
from medpipe.io.atomic import write_bytes, write_text
from medpipe.io.load import read_series
from medpipe.io.nifti import write_label_map, write_volume
from medpipe.io.picture_writer import write_picture
from medpipe.io.series import Study
from medpipe.io.tree import index_tree
from medpipe.runs.choice import choose_inputs
from medpipe.runs.folder.book import Progress
from medpipe.runs.folder.run_folder import medpipe_version
from medpipe.runs.identity import Identity, Names, load_key
from medpipe.runs.matching_labels import read_matching_labels
from medpipe.runs.pipeline import RoleRule
from medpipe.runs.single import ANY_IMAGE, ROLE
from medpipe.runs.workers.device import choose_devices
from medpipe.transforms.augment import Record, Sample, augment
from medpipe.transforms.draws import copy_seed
from medpipe.transforms.recipe import Recipe, read_recipe
from medpipe.transforms.views import sample_of
from medpipe.transforms.words import describe

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_MAX_PREVIEWED: Final = 6
"""Studies on a preview sheet."""

_RADIOGRAPHS: Final = frozenset({"CR", "DX", "RG", "MG"})
_ANY_RADIOGRAPH: Final = "RG"

_STUDY_BYTES: Final = 8
"""Of the hash that makes the seeds of each study its own."""


@dataclass(frozen=True)
class AugmentOptions:
    """How copies are made and named.

    Attributes:
        copies: Copies of each study.
        seed: The same seed makes the same copies of the same scan.
        label_map: File whose labels move with the one study.
        preview: PNG file of originals and copies side by side.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        names: How studies are named.
        key: Key file of the ids; the user's own where None.
    """

    copies: int = 4
    seed: int = 0
    label_map: Path | None = None
    preview: Path | None = None
    device: str = "auto"
    names: Names = Names.HASHED
    key: Path | None = None


class CopyRecord(Value):
    """What lies beside a copy as JSON.

    Attributes:
        study: Id of the study.
        copy_number: From 1.
        source_sha256: Of the files that the image was read from.
        medpipe: Version.
        notice: What the copy must not be used for.
        record: What :func:`medpipe.transforms.augment.replay` makes the copy from.
    """

    study: str
    copy_number: int
    source_sha256: str
    medpipe: str
    notice: str = f"{NOT_FOR_DIAGNOSIS}; an augmented copy, not a scan"
    record: Record


@dataclass(frozen=True)
class Copies:
    """What became of one study.

    Attributes:
        study: Its id.
        label: First file, relative to the root that was indexed.
        files: Images of its copies, in their order.
        changes: What was done to each, in words.
        refusal: Why there are none.
    """

    study: str
    label: str
    files: tuple[Path, ...] = ()
    changes: tuple[tuple[str, ...], ...] = ()
    refusal: RefusedError | None = None


def augment_scans(
    inputs: Sequence[Path],
    output: Path,
    *,
    recipe: str | Path,
    options: AugmentOptions | None = None,
    progress: Progress | None = None,
) -> tuple[Copies, ...]:
    """Write seeded copies of every study: NIfTI for volumes, PNG for radiographs, and a record of each.

    Args:
        inputs: Files and folders.
        output: Folder; made where absent, files of the same name are replaced.
        recipe: Name of a recipe, or a YAML file.
        options: How many, how named, and on which device.
        progress: Called as the work goes on.

    Raises:
        SettingsError: The recipe or an option is wrong, or a label map is given for several studies.
        NoInputError: There is no image.
        MachineError: The disk or the device is at fault.
    """
    options = options or AugmentOptions()
    chosen = read_recipe(recipe)
    studies = _studies(inputs, options)
    writer = _Writer(output, chosen, options, choose_devices(options.device, 1)[0])
    _make_folder(output)
    identity = Identity(load_key(options.key), options.names)
    done = []
    for number, study in enumerate(studies):
        done.append(writer.write(study, identity.study_id(study)))
        if progress is not None:
            progress("run", number + 1, len(studies))
    if options.preview is not None and writer.blocks:
        write_bytes(options.preview, stack_blocks(writer.blocks, notice=NOT_FOR_DIAGNOSIS))
    return tuple(done)


class _Writer:
    """Makes and writes the copies of one study after the other.

    Attributes:
        blocks: Drawn previews.
    """

    def __init__(self, folder: Path, recipe: Recipe, options: AugmentOptions, device: str) -> None:
        self.blocks: list[Picture] = []
        self._folder = folder
        self._recipe = recipe
        self._options = options
        self._device = device

    def write(self, study: Study, study_id: str) -> Copies:
        """Write the copies of a study, or say why it is refused."""
        label = study.paths[0] if study.paths else ""
        try:
            image = _read(study)
            self._recipe.check_modality(_modality(image, self._recipe))
            if not image.modality and len(self._recipe.modality) == 1:
                image = replace(image, modality=self._recipe.modality[0])
            return self._copies(image, study, study_id, label)
        except RefusedError as error:
            return Copies(study_id, label, refusal=error)

    def _copies(self, image: Volume | Planar, study: Study, study_id: str, label: str) -> Copies:
        sample = _sample(image, self._options.label_map, study_id)
        preview = _Preview(image, sample) if self._wants_preview else None
        files, changes = [], []
        for number in range(1, self._options.copies + 1):
            seed = copy_seed(self._options.seed, _number_of(study), number)
            made = augment(sample, self._recipe, seed=seed, device=self._device)
            name = f"{study_id}_copy{number}"
            files.append(self._write_copy(name, image, made.sample))
            record = CopyRecord(
                study=study_id,
                copy_number=number,
                source_sha256=image.source.sha256,
                medpipe=medpipe_version(),
                record=made.record,
            )
            write_text(self._folder / f"{name}.json", record.model_dump_json(indent=1) + "\n")
            unit = "pixels" if isinstance(image, Planar) and image.pixel_spacing_mm is None else "mm"
            changes.append(describe(made.record, unit=unit))
            if preview is not None:
                preview.add(f"copy {number}", changes[-1], made.sample)
        if preview is not None:
            self.blocks.append(
                preview.draw(f"{study_id}, recipe {self._recipe.name}, seed {self._options.seed}")
            )
        return Copies(study_id, label, tuple(files), tuple(changes))

    @property
    def _wants_preview(self) -> bool:
        return self._options.preview is not None and len(self.blocks) < _MAX_PREVIEWED

    def _write_copy(self, name: str, image: Volume | Planar, copy: Sample) -> Path:
        array = copy.image.cpu()
        labels = None if copy.label_map is None else copy.label_map.cpu().numpy()
        if isinstance(image, Planar):
            path = self._folder / f"{name}.png"
            write_picture(path, array[0].numpy())
            if labels is not None:
                write_picture(self._folder / f"{name}_labels.png", labels)
            return path
        path = self._folder / f"{name}.nii.gz"
        write_volume(path, image.with_array(array))
        if labels is not None:
            write_label_map(self._folder / f"{name}_labels.nii.gz", labels, image.affine)
        return path


def _modality(image: Volume | Planar, recipe: Recipe) -> str:
    """Return an image's modality; a picture that states none is a radiograph of the recipe's kind, or any."""
    if image.modality or isinstance(image, Volume):
        return image.modality
    return next((modality for modality in recipe.modality if modality in _RADIOGRAPHS), _ANY_RADIOGRAPH)


class _Preview:
    """Collects the columns of one study's block."""

    def __init__(self, image: Volume | Planar, sample: Sample) -> None:
        self._cuts = _cuts(image, sample)
        self._columns: list[Column] = []
        self.add("original", (), sample)

    def add(self, title: str, lines: Sequence[str], sample: Sample) -> None:
        labels = None if sample.label_map is None else sample.label_map.cpu().numpy()
        self._columns.append(self._cuts.column(title, lines, sample.image[0].cpu().numpy(), labels))

    def draw(self, heading: str) -> "Picture":
        return draw_block(self._cuts, self._columns, heading=heading)


def _cuts(image: Volume | Planar, sample: Sample) -> Cuts:
    array = image.array[0].numpy()
    if isinstance(image, Planar):
        is_calibrated = image.spacing_kind is SpacingKind.CALIBRATED
        return planar_cuts(array, pixel_spacing_mm=image.pixel_spacing_mm, is_calibrated=is_calibrated)
    return choose_cuts(
        array,
        image.affine,
        modality=image.modality,
        label_map=None if sample.label_map is None else sample.label_map.numpy(),
        is_oriented=all(note.code is not Code.W_NO_FORM for note in image.source.notes),
    )


def _studies(inputs: Sequence[Path], options: AugmentOptions) -> tuple[Study, ...]:
    """Index the inputs; the label map itself is no study of theirs."""
    if options.copies < 1:
        raise SettingsError(Code.E_SETTINGS, "At least one copy is made", found=str(options.copies))
    if options.preview is not None and not options.preview.parent.is_dir():
        raise SettingsError(
            Code.E_SETTINGS,
            "The preview cannot be written",
            found=f"no folder {options.preview.parent}",
            fix="Make the folder, or choose another.",
        )
    if options.seed < 0:
        raise SettingsError(Code.E_SETTINGS, "A seed is not negative", found=str(options.seed))
    index = index_tree(inputs)
    labels = None if options.label_map is None else str(options.label_map.resolve())
    studies = tuple(
        study
        for study in index.studies
        if all(str(Path(file).resolve()) != labels for series in study.series for file in series.files)
    )
    if not studies:
        raise NoInputError(
            Code.E_NO_INPUT,
            "There is no image to augment",
            found=f"{index.num_files} files",
            fix="Name DICOM folders, NIfTI files or pictures.",
        )
    if labels is not None and len(studies) > 1:
        raise SettingsError(
            Code.E_SETTINGS,
            "A label map belongs to one study",
            found=f"{len(studies)} studies",
            fix="Name the one image that --label-map lies on.",
        )
    return studies


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            Code.E_OUTPUT,
            f"The folder {folder} cannot be made",
            found=error.strerror or "",
            fix="Choose another output folder.",
        ) from error


def _number_of(study: Study) -> int:
    """Return a number that follows from the study alone, whatever key its id is hashed with."""
    return int.from_bytes(hashlib.sha256(study.uid.encode()).digest()[:_STUDY_BYTES])


def _read(study: Study) -> Volume | Planar:
    rule = RoleRule.model_validate(ANY_IMAGE[ROLE])
    chosen = choose_inputs(study, {ROLE: rule})[0][ROLE]
    image = read_series(chosen.series, form=chosen.forms[0])
    assert isinstance(image, Volume | Planar)
    return image


def _sample(image: Volume | Planar, label_map: Path | None, study_id: str) -> Sample:
    if isinstance(image, Planar):
        sample = Sample(image.array, image.pixel_spacing_mm or (1.0, 1.0))
    else:
        sample = sample_of(image)
    if label_map is None:
        return sample
    return replace(sample, label_map=read_matching_labels(label_map, image, case_id=study_id))
