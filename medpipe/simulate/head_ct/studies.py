"""Simulated head CTs with their truth, in memory."""

from dataclasses import dataclass

from medpipe.core.slice_stack import SliceStack
from medpipe.simulate.head_ct.acquisition import scan_head
from medpipe.simulate.head_ct.head import build_head
from medpipe.simulate.head_ct.plan import HeadPlan, draw_plan
from medpipe.simulate.head_ct.truth import HeadTruth, truth_of


@dataclass(frozen=True, eq=False)
class HeadStudy:
    """A simulated head CT and the truth about it.

    Attributes:
        image: Whole Hounsfield units; slices from below upwards.
        truth: What it shows.
        plan: What was drawn.
    """

    image: SliceStack
    truth: HeadTruth
    plan: HeadPlan


def simulated_head_ct(seed: int, *, pixel_mm: float = 1.0, num_slices: int | None = None) -> HeadStudy:
    """Return a simulated head CT.

    Args:
        seed: Of everything; the truth is the same for every ``pixel_mm``.
        pixel_mm: In-plane spacing.
        num_slices: 8 to 64; drawn where None.

    Raises:
        ShapeError: The number of slices lies outside.
    """
    return study_of(draw_plan(seed, num_slices=num_slices), pixel_mm=pixel_mm)


def study_of(plan: HeadPlan, *, pixel_mm: float = 1.0) -> HeadStudy:
    """Return the simulated head CT of a plan."""
    head = build_head(plan)
    image = scan_head(head.hu, plan.person, plan.scan, pixel_mm=pixel_mm)
    return HeadStudy(image, truth_of(head, plan.scan), plan)
