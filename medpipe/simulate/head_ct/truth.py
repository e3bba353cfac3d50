"""The truth of a simulated head CT: what each of its slices shows, volumes, and the shift of the midline.

A bleed is visible in a slice where it raises the slice's density by :data:`VISIBLE_RISE_HU` or more over at
least :data:`VISIBLE_MM2`: thin blood between two thick slices is no finding. There is mass effect in a slice
where the midline within its thickness is displaced by :data:`MASS_EFFECT_MM` or more. A study shows what any
of its slices shows; blood outside of the scanned part counts in its volume only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.simulate.head_ct.acquisition import sample_slabs, slice_geometry
from medpipe.simulate.head_ct.bleed import BleedKind
from medpipe.simulate.head_ct.head import Head
from medpipe.simulate.head_ct.head_grid import HEAD_GRID
from medpipe.simulate.head_ct.mass_effect import MASS_EFFECT_MM
from medpipe.simulate.head_ct.scan_plan import ScanPlan

VISIBLE_RISE_HU: Final = 10.0
VISIBLE_MM2: Final = 24.0
"""Two to four times the noise, over about six pixels of a side of 2 mm."""

TRUTH_PIXEL_MM: Final = 2.0
"""The truth is read at this spacing, whatever the image's, so that it does not depend on that."""

MASS_EFFECT: Final = "mass_effect"
LABELS: Final = (*(kind.value for kind in BleedKind), MASS_EFFECT)
"""Names of the findings, in the order of every table."""


@dataclass(frozen=True, eq=False)
class HeadTruth:
    """What a simulated head CT shows.

    Attributes:
        visible: ``(S, 4)`` bool: whether each slice shows each finding of :data:`LABELS`.
        volumes_ml: Blood of each kind in the head, 0 where there is none.
        slice_shift_mm: ``(S,)`` the largest displacement of the midline within each slice.
    """

    visible: npt.NDArray[np.bool_]
    volumes_ml: dict[BleedKind, float]
    slice_shift_mm: Array

    @property
    def labels(self) -> dict[str, bool]:
        """What any slice shows."""
        return {name: bool(shown.any()) for name, shown in zip(LABELS, self.visible.T, strict=True)}

    @property
    def midline_shift_mm(self) -> float:
        """Largest displacement of the midline within the scan."""
        return float(self.slice_shift_mm.max())


def truth_of(head: Head, scan: ScanPlan) -> HeadTruth:
    """Return what a scan of a head shows."""
    shift = _slice_shift_mm(head, scan)
    shown = [_shows(head, scan, kind) for kind in BleedKind]
    return HeadTruth(
        visible=np.stack([*shown, shift >= MASS_EFFECT_MM], axis=1),
        volumes_ml={kind: head.volume_ml(kind) for kind in BleedKind},
        slice_shift_mm=shift,
    )


def _shows(head: Head, scan: ScanPlan, kind: BleedKind) -> npt.NDArray[np.bool_]:
    bleed = head.bleeds.get(kind)
    if bleed is None:
        return np.zeros(len(scan.table_mm), bool)
    rise = np.zeros(HEAD_GRID.shape, dtype=np.float32)
    rise[bleed.box] = bleed.rise
    raised = sample_slabs(rise, scan, TRUTH_PIXEL_MM, fill=0.0) >= VISIBLE_RISE_HU
    shows: npt.NDArray[np.bool_] = raised.sum(axis=(1, 2)) * TRUTH_PIXEL_MM**2 >= VISIBLE_MM2
    return shows


def _slice_shift_mm(head: Head, scan: ScanPlan) -> Array:
    points = apply_affine(scan.pose, head.midline.points_mm)
    _, affines = slice_geometry(scan, TRUTH_PIXEL_MM)
    shifts = []
    for affine, thickness in zip(affines, scan.thickness_mm, strict=True):
        depth = apply_affine(inverse_of(affine), points)[:, 2]
        within = np.abs(depth) <= thickness / 2
        shifts.append(head.midline.shift_mm[within].max(initial=0.0))
    return np.array(shifts)
