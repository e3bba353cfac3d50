"""Plans whose findings are chosen, not drawn; everything else is as seed 0 draws it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medpipe.simulate.head_ct.anatomy import Anatomy, build_anatomy
from medpipe.simulate.head_ct.fluid_bleeds import SubarachnoidBleed, VentricularBleed
from medpipe.simulate.head_ct.head import Head, build_head
from medpipe.simulate.head_ct.intracerebral import Haematoma, mass_of
from medpipe.simulate.head_ct.plan import HeadPlan, draw_plan
from medpipe.simulate.head_ct.scan_plan import ScanPlan


def putamen_bleed(volume_ml: float) -> Haematoma:
    return Haematoma(
        seed=1,
        template_mm=(27.0, 0.0, 3.0),
        volume_ml=volume_ml,
        hu=70.0,
        edge_mm=2.0,
        oedema_ratio=0.7,
        oedema_hu=10.0,
        push=1.0,
    )


def even_scan(scan: ScanPlan, *, thickness_mm: float = 4.0, tilt_degrees: float = 0.0) -> ScanPlan:
    """Return a scan of contiguous slices from below the skull base to above the vertex, without noise."""
    table_mm = np.arange(-70.0, 100.0, thickness_mm) / np.cos(np.radians(tilt_degrees))
    return replace(
        scan,
        tilt_degrees=tilt_degrees,
        table_mm=table_mm,
        thickness_mm=np.full(len(table_mm), thickness_mm),
        noise_hu=0.0,
    )


@pytest.fixture(scope="package")
def healthy() -> HeadPlan:
    """Return a person of middle age and nothing found, scanned evenly."""
    plan = draw_plan(0, num_slices=8)
    assert not any((plan.haematoma, plan.ventricular, plan.subarachnoid, plan.pale))
    return replace(plan, person=replace(plan.person, atrophy=0.5, streak_hu=0.0), scan=even_scan(plan.scan))


@pytest.fixture(scope="package")
def haematoma() -> Callable[[float], Haematoma]:
    """Return what makes a bleed of some mL into the right putamen."""
    return putamen_bleed


@pytest.fixture(scope="package")
def layer() -> VentricularBleed:
    """Return blood that has sunk to the back of both lateral ventricles."""
    return VentricularBleed(seed=2, volume_ml=3.0, hu=60.0, is_layer=True, side=0)


@pytest.fixture(scope="package")
def bleeding(healthy: HeadPlan, layer: VentricularBleed) -> HeadPlan:
    """Return the same person with a large bleed of each kind."""
    return replace(
        healthy,
        haematoma=putamen_bleed(40.0),
        ventricular=layer,
        subarachnoid=SubarachnoidBleed(
            seed=3, template_mm=(0.0, -6.0, -20.0), radius_mm=30.0, filling=0.9, hu=70.0
        ),
    )


@pytest.fixture(scope="package")
def bleeding_head(bleeding: HeadPlan) -> Head:
    return build_head(bleeding)


@pytest.fixture(scope="package")
def healthy_anatomy(healthy: HeadPlan) -> Anatomy:
    """Return the person at rest, the falx as dense as bone so that it can be found."""
    return build_anatomy(replace(healthy.person, blood_hu=400.0, specks=(), cupping_hu=0.0), None)


@pytest.fixture(scope="package")
def shifted_anatomy(healthy: HeadPlan) -> Anatomy:
    """Return the same person, displaced by 60 mL in the right putamen that are not drawn."""
    person = replace(healthy.person, blood_hu=400.0, specks=(), cupping_hu=0.0)
    return build_anatomy(person, mass_of(putamen_bleed(60.0), person))
