"""Heads hold the blood that was asked for, where it belongs, as dense as it was drawn."""

from dataclasses import replace

import numpy as np
import pytest

from medpipe.simulate.head_ct.anatomy import Anatomy, build_anatomy
from medpipe.simulate.head_ct.bleed import Bleed, BleedKind
from medpipe.simulate.head_ct.dura import Speck
from medpipe.simulate.head_ct.fluid_bleeds import VentricularBleed
from medpipe.simulate.head_ct.head import Head, build_head
from medpipe.simulate.head_ct.head_grid import HEAD_GRID
from medpipe.simulate.head_ct.intracerebral import mass_of
from medpipe.simulate.head_ct.mass_effect import MASS_EFFECT_MM
from medpipe.simulate.head_ct.pale_masses import PaleKind, PaleMass, mass_of_pale, with_pale_mass
from medpipe.simulate.head_ct.plan import HeadPlan

ML = HEAD_GRID.voxel_volume_ml


@pytest.fixture
def head(bleeding_head: Head) -> Head:
    return bleeding_head


@pytest.fixture(scope="module")
def anatomy(bleeding: HeadPlan) -> Anatomy:
    assert bleeding.haematoma is not None
    return build_anatomy(bleeding.person, mass_of(bleeding.haematoma, bleeding.person))


def centre_mm(bleed: Bleed) -> np.ndarray:
    corner = [part.start for part in bleed.box]
    voxels = np.argwhere(bleed.share > 0.5) + corner
    return HEAD_GRID.to_world_mm(voxels).mean(axis=0)


class TestBlood:
    @pytest.mark.parametrize(
        ("kind", "hu"), [(BleedKind.INTRACEREBRAL, 70.0), (BleedKind.INTRAVENTRICULAR, 60.0)]
    )
    def test_it_is_as_dense_as_drawn_where_it_fills_the_voxel(
        self, head: Head, kind: BleedKind, hu: float
    ) -> None:
        bleed = head.bleeds[kind]
        inside = head.hu[bleed.box][bleed.share > 0.98]
        assert len(inside) > 100
        assert inside.mean() == pytest.approx(hu, abs=2.0)

    def test_in_the_cisterns_it_is_mixed_with_fluid(self, head: Head, bleeding: HeadPlan) -> None:
        bleed = head.bleeds[BleedKind.SUBARACHNOID]
        inside = head.hu[bleed.box][bleed.share > 0.85]
        fluid = bleeding.person.fluid_hu
        # 90 % blood of 70 HU, and whatever the skull brightens near it.
        assert fluid + 0.85 * (70.0 - fluid) - 1 < np.median(inside) < 72.0

    @pytest.mark.parametrize(
        ("kind", "volume_ml"), [(BleedKind.INTRACEREBRAL, 40.0), (BleedKind.INTRAVENTRICULAR, 3.0)]
    )
    def test_it_has_the_volume_asked_for(self, head: Head, kind: BleedKind, volume_ml: float) -> None:
        assert head.volume_ml(kind) == pytest.approx(volume_ml, rel=0.15)

    def test_it_raises_the_image_by_what_the_truth_says(self, bleeding: HeadPlan, head: Head) -> None:
        without = build_head(replace(bleeding, subarachnoid=None))
        bleed = head.bleeds[BleedKind.SUBARACHNOID]
        raised = head.hu - without.hu
        np.testing.assert_allclose(raised[bleed.box], bleed.rise, atol=1e-3)
        raised[bleed.box] = 0.0
        assert not raised.any()

    def test_a_head_without_has_none(self, healthy: HeadPlan) -> None:
        head = build_head(healthy)
        assert head.bleeds == {}
        assert [head.volume_ml(kind) for kind in BleedKind] == [0.0, 0.0, 0.0]
        assert head.midline.shift_mm.max() == 0.0


class TestPlaces:
    def test_the_bleed_into_tissue_lies_about_the_putamen(self, head: Head) -> None:
        assert np.linalg.norm(centre_mm(head.bleeds[BleedKind.INTRACEREBRAL]) - (25.0, -1.0, 3.0)) < 12.0

    def test_the_bleed_into_the_ventricles_lies_in_them_and_at_their_back(
        self, head: Head, anatomy: Anatomy
    ) -> None:
        bleed = head.bleeds[BleedKind.INTRAVENTRICULAR]
        assert (bleed.share <= anatomy.ventricle[bleed.box] + 1e-6).all()
        ventricles = HEAD_GRID.to_world_mm(np.argwhere(anatomy.ventricle > 0.5))
        assert centre_mm(bleed)[1] < np.quantile(ventricles[:, 1], 0.25)

    def test_the_bleed_into_the_subarachnoid_space_leaves_tissue_free(
        self, head: Head, anatomy: Anatomy
    ) -> None:
        bleed = head.bleeds[BleedKind.SUBARACHNOID]
        assert (bleed.share + anatomy.tissue[bleed.box] <= 1.0 + 1e-5).all()

    def test_a_layer_on_one_side_leaves_the_other_lateral_ventricle_free(
        self, healthy: HeadPlan, layer: VentricularBleed
    ) -> None:
        head = build_head(replace(healthy, ventricular=replace(layer, side=-1)))
        bleed = head.bleeds[BleedKind.INTRAVENTRICULAR]
        corner = [part.start for part in bleed.box]
        points = HEAD_GRID.to_world_mm(np.argwhere(bleed.share > 0.2) + corner)
        lateral = points[points[:, 2] > 5.0]
        assert len(lateral) > 50
        assert (lateral[:, 0] < 3.0).all()


class TestTissues:
    def test_volumes_are_those_of_heads(self, healthy_anatomy: Anatomy) -> None:
        assert 1000 < healthy_anatomy.tissue[healthy_anatomy.beyond < 0].sum() * ML < 1800
        assert 10 < healthy_anatomy.ventricle.sum() * ML < 60

    def test_atrophy_widens_ventricles_and_sulci(self, healthy: HeadPlan, healthy_anatomy: Anatomy) -> None:
        person = replace(healthy.person, ventricle_mm=4.0, sulci=0.7)
        assert healthy.person.ventricle_mm < 1.0
        assert healthy.person.sulci < 0.5
        old = build_anatomy(person, None)
        assert old.ventricle.sum() > 1.5 * healthy_anatomy.ventricle.sum()
        assert old.subarachnoid.sum() > 1.2 * healthy_anatomy.subarachnoid.sum()

    def test_grey_and_white_matter_have_their_density(
        self, healthy: HeadPlan, healthy_anatomy: Anatomy
    ) -> None:
        person, anatomy = healthy.person, healthy_anatomy
        deep = (anatomy.tissue > 0.99) & (anatomy.beyond < -8.0) & (np.abs(anatomy.template_mm[0]) > 6.0)
        for matter, hu in ((anatomy.white > 0.99, person.white_hu), (anatomy.white < 0.01, person.grey_hu)):
            assert np.median(anatomy.hu[deep & matter]) == pytest.approx(hu, abs=1.0)

    def test_calcifications_are_denser_than_blood(self, healthy: HeadPlan, healthy_anatomy: Anatomy) -> None:
        pineal = Speck((0.0, -29.0, 2.0), (3.0, 3.0, 3.0), 300.0)
        anatomy = build_anatomy(replace(healthy.person, specks=(pineal,)), None)
        near = (
            np.linalg.norm(anatomy.template_mm - np.reshape(pineal.template_mm, (3, 1, 1, 1)), axis=0) < 1.5
        )
        assert anatomy.hu[near].min() > 200.0
        assert healthy_anatomy.hu[near].max() < 60.0


class TestPaleMasses:
    @pytest.fixture(scope="class")
    def infarct(self) -> PaleMass:
        return PaleMass(
            kind=PaleKind.INFARCT,
            seed=4,
            template_mm=(-44.0, -6.0, 14.0),
            volume_ml=120.0,
            hu=20.0,
            oedema_ratio=0.0,
            oedema_hu=0.0,
            added_ml=50.0,
            push=1.0,
        )

    def test_an_infarct_is_pale_and_shifts_the_midline_without_blood(
        self, healthy: HeadPlan, infarct: PaleMass
    ) -> None:
        mass = mass_of_pale(infarct, healthy.person)
        anatomy = build_anatomy(healthy.person, mass)
        hu = with_pale_mass(infarct, anatomy, healthy.person, np.array(mass.centre_mm))
        paler = (anatomy.hu - hu) > 5.0  # half of what the tissue loses: the edge is graded
        assert paler.sum() * ML == pytest.approx(120.0, rel=0.2)
        assert anatomy.template_mm[0][paler].max() < 0.0
        assert np.median(hu[paler]) == pytest.approx(20.0, abs=1.5)
        assert anatomy.midline.shift_mm.max() > MASS_EFFECT_MM

    def test_a_tumour_has_oedema_of_the_white_matter_around_it(
        self, healthy: HeadPlan, infarct: PaleMass
    ) -> None:
        tumour = replace(
            infarct, kind=PaleKind.TUMOUR, volume_ml=15.0, hu=5.0, oedema_ratio=2.0, oedema_hu=10.0
        )
        anatomy = build_anatomy(replace(healthy.person, specks=()), None)
        centre = np.array(mass_of_pale(tumour, healthy.person).centre_mm)
        change = with_pale_mass(tumour, anatomy, healthy.person, centre) - anatomy.hu
        paler, denser = change < -4.0, change > 4.0
        assert anatomy.white[paler].mean() > 0.8
        assert paler.sum() * ML < 35.0
        assert 5.0 < denser.sum() * ML < 20.0
