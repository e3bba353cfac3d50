"""Augmentation recipes: which steps, how often, how strong; typed data read from YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from medpipe.core.body_axes import BodyAxis
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.findings import Probability, Value
from medpipe.core.settings import SettingsFile, nearest, read_settings, validate_settings

_FOLDER: Final = Path(__file__).resolve().parent / "recipes"
_BASE_KEY: Final = "extends"

Border = Literal["edge", "reflect", "fill"]
"""What is shown where the scan ends: its last voxels, its mirror image, or the recipe's ``fill``."""

MAX_STRENGTH: Final = 0.16
"""Largest shift of an elastic control point, in distances between control points.

A cubic B-spline with shifts up to ``s`` distances has a Jacobian whose rows sum to at most ``6 s``: below 1
nothing folds, and the inverse is found by iteration.
"""


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound comes first")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Lowest and highest value; drawn evenly between them."""

PositiveRange = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_ordered)
]


class DegreesAbout(Value):
    """Largest turn about each axis of the body, to either side."""

    left_right: float = Field(default=0.0, ge=0, le=180)
    front_back: float = Field(default=0.0, ge=0, le=180)
    head_foot: float = Field(default=0.0, ge=0, le=180)


class ShiftAlong(Value):
    """Largest shift along each axis of the body, as a part of the field of view, to either side."""

    left_right: float = Field(default=0.0, ge=0, le=0.5)
    front_back: float = Field(default=0.0, ge=0, le=0.5)
    head_foot: float = Field(default=0.0, ge=0, le=0.5)


class BorderAlong(Value):
    """What is shown beyond the ends of the scan along each axis of the body."""

    left_right: Border = "edge"
    front_back: Border = "edge"
    head_foot: Border = "edge"


class Step(Value):
    """What every step has.

    Attributes:
        probability: How often the step is taken.
    """

    probability: Probability


class Flips(Step):
    """Mirrors the image; each axis on its own.

    Attributes:
        axes: Axes of the body that may be mirrored without making an impossible one.
        swap_labels: Pairs of label values that name the two sides, exchanged by a left-right mirror.
    """

    axes: tuple[BodyAxis, ...] = Field(min_length=1)
    swap_labels: tuple[tuple[int, int], ...] = ()


class Affine(Step):
    """Turns, scales, shears and shifts the image about its centre.

    Attributes:
        rotation_deg: Largest turn about each axis of the body.
        scale: Factor of size, the same along all axes; above 1 is larger.
        stretch: Largest relative change of size along each axis on its own.
        shear_deg: Largest shear of each pair of axes.
        shift: Largest shift along each axis of the body.
    """

    rotation_deg: DegreesAbout = DegreesAbout()
    scale: PositiveRange = (1.0, 1.0)
    stretch: float = Field(default=0.0, ge=0, le=0.5)
    shear_deg: float = Field(default=0.0, ge=0, le=30)
    shift: ShiftAlong = ShiftAlong()


class Elastic(Step):
    """Bends the image smoothly, by a cubic B-spline.

    Attributes:
        cells: Distances between control points along the longest side; fewer bend more smoothly.
        strength: Largest shift of a control point, in such distances.
    """

    cells: int = Field(ge=1, le=16)
    strength: float = Field(gt=0, le=MAX_STRENGTH)


class BiasField(Step):
    """Multiplies by a smooth field, as an uneven receive coil does.

    Attributes:
        strength: Largest logarithm of the factor: 0.3 is from 0.74 to 1.35.
        cells: Distances between control points along the longest side.
    """

    strength: float = Field(gt=0, le=1.5)
    cells: int = Field(default=2, ge=1, le=8)


class Gamma(Step):
    """Raises the intensities, scaled to their range, to a power.

    Attributes:
        power: Below 1 brightens what is dark.
    """

    power: PositiveRange


class Contrast(Step):
    """Stretches the intensities about a value.

    Attributes:
        factor: Above 1 raises contrast.
        about: The value that stays; the mean of the image where none is given.
    """

    factor: PositiveRange
    about: float | None = None


class Brightness(Step):
    """Adds a value.

    Attributes:
        offset: In the recipe's units.
    """

    offset: Range


class Noise(Step):
    """Adds noise to every voxel.

    Attributes:
        std: Standard deviation, in the recipe's units.
        kind: Gaussian, or Rician as in magnitude images of MR.
    """

    std: PositiveRange
    kind: Literal["gaussian", "rician"] = "gaussian"


class LowResolution(Step):
    """Averages to a coarser grid and interpolates back, as thicker slices or larger pixels would show.

    Attributes:
        factor: How much coarser.
        along: ``all`` axes, ``any`` one that is drawn, or an axis of the body.
        max_mm: Voxels do not get coarser than this; voxels that are already stay.
    """

    factor: Annotated[
        tuple[Annotated[float, Field(ge=1)], Annotated[float, Field(ge=1)]], AfterValidator(_ordered)
    ]
    along: Literal["all", "any"] | BodyAxis = "all"
    max_mm: float | None = Field(default=None, gt=0)


class Dropout(Step):
    """Replaces boxes by their mean, so that nothing rests on one place alone.

    Attributes:
        holes: Fewest and most boxes.
        size: Side of a box, as a part of the field of view.
    """

    holes: Annotated[
        tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1, le=64)]], AfterValidator(_ordered)
    ]
    size: Annotated[
        tuple[Annotated[float, Field(gt=0, le=0.5)], Annotated[float, Field(gt=0, le=0.5)]],
        AfterValidator(_ordered),
    ]


class Recipe(Value):
    """How to augment; a step that is not named is never taken.

    Attributes:
        name: Its name.
        description: One or two sentences for people.
        modality: DICOM modalities that its ranges suit; empty for any.
        units: Unit of brightness and noise: ``value`` of the image (HU), or part of its ``range`` (the
            0.5th to the 99.5th percentile).
        border: What is shown where the scan ends; label maps hold background there.
        fill: The value of the border ``fill``, in units of the image.
        clip: Keep results within the range of the source: ``none``, ``below`` or ``both`` ends.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = ""
    modality: tuple[str, ...] = ()
    units: Literal["value", "range"] = "range"
    border: BorderAlong = BorderAlong()
    fill: float = 0.0
    clip: Literal["none", "below", "both"] = "none"
    flips: Flips | None = None
    affine: Affine | None = None
    elastic: Elastic | None = None
    bias_field: BiasField | None = None
    gamma: Gamma | None = None
    contrast: Contrast | None = None
    brightness: Brightness | None = None
    noise: Noise | None = None
    low_resolution: LowResolution | None = None
    dropout: Dropout | None = None

    def check_modality(self, modality: str) -> None:
        """Refuse an image whose intensities mean something else to the recipe.

        Args:
            modality: DICOM modality of the image; empty where it states none, which suits.

        Raises:
            RefusedError: The recipe is for others (``E_MODALITY``).
        """
        if modality and self.modality and modality not in self.modality:
            raise RefusedError(
                Code.E_MODALITY,
                f"The recipe {self.name!r} is for {' or '.join(self.modality)}",
                found=modality,
                fix="Choose another recipe, or extend this one and state 'modality'.",
            )


def named_recipes() -> dict[str, Path]:
    """Return the recipe files that come with medpipe, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name: Name of a recipe that comes with medpipe, or path of a YAML file. A file may begin with
            ``extends:`` and such a name; its keys then replace those of that recipe, whole steps at a time.

    Raises:
        SettingsError: Says which line is wrong and what would be right.
    """
    return build_recipe(read_settings(_find(str(name))))


def build_recipe(settings: SettingsFile) -> Recipe:
    """Check parsed settings; see :func:`read_recipe`."""
    data = settings.data
    if not isinstance(data, Mapping) or _BASE_KEY not in data:
        return validate_settings(Recipe, settings)
    base = data[_BASE_KEY]
    if base not in named_recipes():
        raise SettingsError(
            Code.E_SETTINGS,
            f"{settings.place((_BASE_KEY,))}: there is no recipe {base!r} to extend",
            fix=nearest(str(base), named_recipes()),
        )
    inherited: dict[str, Any] = read_recipe(base).model_dump(mode="json", exclude={"name", "description"})
    own = {key: value for key, value in data.items() if key != _BASE_KEY}
    return validate_settings(Recipe, SettingsFile(settings.name, {**inherited, **own}, settings.lines))


def _find(name: str) -> Path:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return path
    known = named_recipes()
    if name not in known:
        raise SettingsError(
            Code.E_SETTINGS,
            f"There is no recipe {name!r}",
            fix=f"{nearest(name, known)} A file of your own ends in .yaml.",
        )
    return known[name]
