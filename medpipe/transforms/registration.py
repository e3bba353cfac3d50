"""Registration of a whole head to the MNI152 template: rigid from several starts, then affine.

The template brain has no skull. The first, rigid pass compares the whole fields of view: a mask of the
template brain would leave nothing that tells brain from air. The affine passes look inside of the brain's
hull alone: with a rim around it the edge of the template can come to rest on the skin.

Nothing is random and each registration runs in one thread: the same head gives the same numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import SimpleITK as sitk

from medpipe.core.affine import Array, apply_affine, checked_affine
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.volume import Volume
from medpipe.transforms.registration_images import brain_hull, coarser, world_image

MIN_METRIC: Final = 0.2
"""Smallest mutual information (nats) of a head and the template that counts as found.

Seen: 0.36 to 1.6 where the brain was found, up to 0.13 for balls, noise and other parts of the body.
"""

DETERMINANT_RANGE: Final = (0.6, 1.6)
"""Volume of a head beside that of the template. MNI space is larger than most heads: 0.6 to 1 is usual."""

MAX_DISAGREEMENT_MM: Final = 4.0
"""How far the two best starts may place the same point of the template from each other."""

MAX_TURN_DEGREES: Final = 60.0
"""Turns beyond this are no head position; half a turn would swap the sides."""

_MIDDLE_MM: Final = (0.0, -17.0, 7.0)
"""Middle of the template's brain, about which everything turns."""

_PROBES_MM: Final = np.array(_MIDDLE_MM) + 40.0 * np.array([*product((-1, 1), repeat=3)]) / np.sqrt(3)
"""Eight points of the template, 40 mm from its middle, where two results are compared."""

_MARGIN_MM: Final = 40.0
"""Air added around the field of view, so that a turned template keeps all of its samples."""

_START_TURN_DEGREES: Final = 25.0
_CROWN_MM: Final = 150.0
"""Height of the part below the vertex that holds the brain; what lies lower is face and neck."""

_FIRST_SCALE: Final = 0.9
"""Size of a head beside the template at which the affine pass starts.

MNI space is larger than most heads. A template that starts too large can come to rest on the skin.
"""

_FIX: Final = "Give a T1 scan of a whole head with its true orientation, or a crop of the structure."
_NUM_BINS: Final = 32
_MAX_STEPS: Final = 60
_LAST_STEP_MM: Final = 0.02


@dataclass(frozen=True)
class _Pass:
    """Settings of one pass.

    Attributes:
        spacing_mm: Of the images compared.
        blur_mm: Standard deviation of the smoothing before; a strong one moves the edge of the brain.
        radius_mm: How far a unit of rotation or shear moves a typical point, for the scales of the optimiser.
            The radius of the field of view, which ITK proposes, makes the steps of rotations six times
            shorter, and a third of the starts then end before they arrive.
        first_step_mm: Long steps cross valleys; in an affine pass they make the scale run away.
    """

    spacing_mm: float
    blur_mm: float
    radius_mm: float
    first_step_mm: float

    def view(self, image: sitk.Image) -> sitk.Image:
        """Return an image as this pass sees it."""
        return coarser(image, step_mm=self.spacing_mm, blur_mm=self.blur_mm)


_RIGID: Final = _Pass(spacing_mm=6.0, blur_mm=3.0, radius_mm=30.0, first_step_mm=4.0)
_AFFINE: Final = _Pass(spacing_mm=4.0, blur_mm=2.0, radius_mm=50.0, first_step_mm=0.5)
_FINE: Final = _Pass(spacing_mm=3.0, blur_mm=0.75, radius_mm=50.0, first_step_mm=0.5)


@dataclass(frozen=True, eq=False)
class Registration:
    """Where the template lies in a head, and how well that is known.

    Attributes:
        head_from_template: 4x4 affine, template RAS mm to RAS mm of the head.
        metric: Mutual information of head and template in the brain and its rim, nats.
        determinant: Volume of the head beside that of the template.
        agreement_mm: Largest distance between the results of the two best starts.
    """

    head_from_template: Array
    metric: float
    determinant: float
    agreement_mm: float

    @property
    def turn(self) -> Array:
        """``(3, 3)`` rotation nearest to the affine (its polar factor)."""
        left, _, right = np.linalg.svd(self.head_from_template[:3, :3])
        return np.asarray(left @ right, dtype=np.float64)

    @property
    def turn_degrees(self) -> float:
        """Angle of the rotation."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.turn) - 1) / 2, -1.0, 1.0))))

    def rigid_about(self, point_mm: tuple[float, float, float]) -> Array:
        """Return the rigid 4x4 map that turns as the affine does and moves one point where it does."""
        rigid = np.eye(4)
        rigid[:3, :3] = self.turn
        rigid[:3, 3] = apply_affine(self.head_from_template, point_mm) - self.turn @ point_mm
        return rigid


def register_head(head: Volume, template: Volume) -> Registration:
    """Register a head of T1 contrast to the template, whatever its orientation and field of view.

    Args:
        head: ``(1, I, J, K)``, oblique and sheared grids too.
        template: The skull-stripped T1 brain in MNI space.

    Returns:
        The best affine, not judged yet: see :func:`check_registration`.

    Raises:
        RefusedError: The image holds a single value, or no start has an end (``E_REGISTRATION``).
    """
    with _one_thread():
        moving, fixed = world_image(head, margin_mm=_MARGIN_MM), world_image(template, margin_mm=0.0)
        rigid = _run_pass(_RIGID, _starts(_RIGID.view(moving)), fixed, moving)
        affine = _run_pass(
            _AFFINE, [_as_affine(end.transform) for end in rigid[:2]], fixed, moving, in_brain=True
        )
        found = _run_pass(_FINE, [end.transform for end in affine], fixed, moving, in_brain=True)
    if len(found) < 2:
        raise RefusedError(
            Code.E_REGISTRATION,
            "The head cannot be registered to the template",
            found=f"{len(found)} starts that came to rest, at least 2 needed",
            fix=_FIX,
        )
    first, second = (_matrix_of(end.transform) for end in found)
    distances = np.linalg.norm(apply_affine(first, _PROBES_MM) - apply_affine(second, _PROBES_MM), axis=1)
    return Registration(
        head_from_template=checked_affine(first),
        metric=-found[0].metric,
        determinant=float(np.linalg.det(first[:3, :3])),
        agreement_mm=float(distances.max()),
    )


def check_registration(result: Registration) -> None:
    """Refuse a result that is not to be trusted.

    Raises:
        RefusedError: ``E_REGISTRATION``; says what was found and its limit.
    """
    low, high = DETERMINANT_RANGE
    checks = (
        (
            result.metric >= MIN_METRIC,
            "The head does not look like the T1 template",
            f"mutual information {result.metric:.3f}, at least {MIN_METRIC:g} needed",
        ),
        (
            low <= result.determinant <= high,
            "The head would have to be scaled beyond any head to fit the template",
            f"determinant {result.determinant:.2f}, limits {low:g} to {high:g}",
        ),
        (
            result.turn_degrees <= MAX_TURN_DEGREES,
            "The head would have to be turned beyond any head position to fit the template",
            f"{result.turn_degrees:.0f} degrees, limit {MAX_TURN_DEGREES:g}",
        ),
        (
            result.agreement_mm <= MAX_DISAGREEMENT_MM,
            "The two best starts of the registration disagree",
            f"{result.agreement_mm:.1f} mm apart, limit {MAX_DISAGREEMENT_MM:g} mm",
        ),
    )
    for holds, what, found in checks:
        if not holds:
            raise RefusedError(Code.E_REGISTRATION, what, found=found, fix=_FIX)


@dataclass(frozen=True, eq=False)
class _End:
    """Where an optimisation came to rest; a lower metric is better, as ITK counts."""

    transform: sitk.Transform
    metric: float


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let ITK sum in one order: with threads the last digits differ from run to run.

    A method's own ``SetNumberOfThreads`` does not reach the metric, so the default of the process is set.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _run_pass(
    settings: _Pass,
    starts: list[sitk.Transform],
    fixed: sitk.Image,
    moving: sitk.Image,
    *,
    in_brain: bool = False,
) -> list[_End]:
    """Optimise from every start; return where each came to rest, the best first."""
    fixed, moving = settings.view(fixed), settings.view(moving)
    mask = brain_hull(fixed) if in_brain else None
    ends = [_optimised(settings, start, fixed, moving, mask) for start in starts]
    return sorted((end for end in ends if end is not None), key=lambda end: end.metric)


def _optimised(
    settings: _Pass, start: sitk.Transform, fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image | None
) -> _End | None:
    """Follow the gradient of Mattes' mutual information; None where the images lose each other."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=_NUM_BINS)
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        settings.first_step_mm, minStep=_LAST_STEP_MM, numberOfIterations=_MAX_STEPS, relaxationFactor=0.5
    )
    num_turns = len(start.GetParameters()) - 3
    method.SetOptimizerScales([settings.radius_mm**2] * num_turns + [1.0] * 3)
    method.SetInitialTransform(start, inPlace=False)
    try:
        transform = method.Execute(fixed, moving)
    except RuntimeError:  # all samples map outside of the head
        return None
    return _End(transform, method.GetMetricValue())


def _starts(moving: sitk.Image) -> list[sitk.Transform]:
    """Return rigid starts: two centres of mass, each unturned and turned about every axis, both ways."""
    turns = [np.zeros(3), *(sign * axis for axis in np.eye(3) for sign in (-1.0, 1.0))]
    return [
        sitk.Euler3DTransform(_MIDDLE_MM, *np.radians(_START_TURN_DEGREES) * turn, centre - _MIDDLE_MM)
        for centre in _centres_mm(moving)
        for turn in turns
    ]


def _centres_mm(image: sitk.Image) -> list[Array]:
    """Return the centre of mass of the foreground, and of its part below the vertex where that differs."""
    values = sitk.GetArrayViewFromImage(image)
    voxels = np.argwhere(values > values.mean())[:, ::-1]
    points = voxels * np.array(image.GetSpacing()) + image.GetOrigin()
    vertex_mm = np.percentile(points[:, 2], 99.5)
    whole, crown = points.mean(axis=0), points[points[:, 2] > vertex_mm - _CROWN_MM].mean(axis=0)
    return [whole] if np.linalg.norm(whole - crown) < _RIGID.spacing_mm else [whole, crown]


def _as_affine(rigid: sitk.Transform) -> sitk.Transform:
    """Return a start of the affine pass: as the rigid one ended, at the size of a usual head."""
    matrix = _matrix_of(rigid)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(_MIDDLE_MM)
    affine.SetMatrix((_FIRST_SCALE * matrix[:3, :3]).ravel().tolist())
    affine.SetTranslation((apply_affine(matrix, _MIDDLE_MM) - _MIDDLE_MM).tolist())
    return affine


def _matrix_of(transform: sitk.Transform) -> Array:
    """Return the 4x4 matrix of a linear transform."""
    origin, *ends = (np.array(transform.TransformPoint(point)) for point in ([0.0] * 3, *np.eye(3).tolist()))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([end - origin for end in ends], axis=1)
    matrix[:3, 3] = origin
    return matrix
