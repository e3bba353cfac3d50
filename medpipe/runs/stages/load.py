"""Stage ``load``: reads the images of a study and proves their geometry."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import flags_of_notes
from medpipe.io.series import Form, Limits, Series
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.runs.unit import Input

if TYPE_CHECKING:
    from medpipe.core.case import Image


class LoadParams(Params):
    """Parameters of ``load``."""

    max_voxels: int = Field(
        default=2_000_000_000, ge=1, description="Refuse images of more voxels, before anything is allocated."
    )
    regrid: bool = Field(
        default=False,
        description="Resample unevenly spaced slices to even spacing, flagged, instead of refusing them.",
    )
    prefer_form: Literal["sform", "qform"] | None = Field(
        default=None, description="NIfTI whose qform and sform differ: the one to follow; none refuses it."
    )
    save: bool = Field(default=False, description="Write each volume to images/ROLE.nii.gz as it was read.")


class Load(Stage):
    """Reads each role's series into a volume, slices or a planar image; interpolates only to regrid."""

    name: ClassVar[str] = "load"
    version: ClassVar[str] = "1"
    resource: ClassVar[Resource] = Resource.IO
    takes: ClassVar[frozenset[Good]] = frozenset()
    gives: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME, Good.SLICES, Good.PLANAR})
    params_type: ClassVar[type[Params]] = LoadParams

    def __init__(self, params: LoadParams) -> None:
        self._params = params
        self._limits = Limits(max_voxels=params.max_voxels)
        self._read: Callable[..., Image] | None = None

    def open(self, device: str) -> None:
        """Import the readers."""
        from medpipe.io.load import read_series

        self._read = read_series

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Read the unit's inputs."""
        images, flags = dict(case.images), list(case.flags)
        for role, chosen in context.unit.inputs.items():
            image = self._read_best(chosen)
            if chosen.modality and not image.modality:
                image = replace(image, modality=chosen.modality)
            images[role] = image
            flags += flags_of_notes(image.source.notes, source=role, maker=self.maker)
        sources = {role: image.source for role, image in images.items()}
        return case.with_(images=images, sources=sources, flags=tuple(flags))

    def document(self, case: Case, folder: Path, context: StageContext) -> None:
        """Write the volumes, where asked to."""
        if not self._params.save:
            return
        from medpipe.core.volume import Volume
        from medpipe.io.nifti import write_volume

        (folder / "images").mkdir()
        for role, image in case.images.items():
            if isinstance(image, Volume):
                write_volume(folder / "images" / f"{role}.nii.gz", image)

    def _read_best(self, chosen: Input) -> "Image":
        """Read into the best form; uneven slices are regridded or stay slices where that is accepted."""
        first, *others = chosen.forms
        try:
            return self._read_as(chosen.series, first)
        except RefusedError as error:
            if error.code not in (Code.E_SPACING, Code.E_GAP):
                raise
            if self._params.regrid:
                return self._regridded(chosen.series)
            if Form.SLICES not in others:
                raise
            return self._read_as(chosen.series, Form.SLICES)

    def _regridded(self, series: Series) -> "Image":
        from medpipe.core.slice_stack import SliceStack
        from medpipe.transforms.regrid import regrid_slices

        stack = self._read_as(series, Form.SLICES)
        assert isinstance(stack, SliceStack)
        return regrid_slices(stack)

    def _read_as(self, series: Series, form: Form) -> "Image":
        if self._read is None:
            raise RuntimeError("the stage was not opened")
        return self._read(series, form=form, limits=self._limits, prefer_form=self._params.prefer_form)
