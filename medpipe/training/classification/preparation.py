"""Studies as a network's store holds them: read, and brought onto the grid of its slices."""

from dataclasses import dataclass

import numpy as np

from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.data.reading import naming
from medpipe.data.slice_store import PreparedStudy
from medpipe.data.studies import StudyCase
from medpipe.data.study_reading import joined_keys, read_study
from medpipe.inference.slices import prepare_slices

_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class StudyPreparation:
    """Prepares studies; picklable.

    Attributes:
        spec: What the network expects.
    """

    spec: SlicePreprocessing

    def __call__(self, case: StudyCase) -> PreparedStudy:
        """Read a study and bring its slices onto the network's grid, as whole numbers.

        Raises:
            RefusedError: The data is at fault; names the case.
        """
        stack, keys = read_study(case)
        with naming(case.id):
            prepared = prepare_slices(stack, self.spec)
        return PreparedStudy(
            slices=prepared.values.round().clamp(_INT16.min, _INT16.max).numpy().astype(np.int16),
            gaps_mm=prepared.gaps_mm.numpy(),
            keys=joined_keys(keys, prepared.members.tolist()),
            window=stack.source.window,
        )

    @property
    def settings(self) -> str:
        """All that the result depends on but the files; intensities come later."""
        return self.spec.model_dump_json(exclude={"channels"})
