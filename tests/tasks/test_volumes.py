"""Totals and asymmetries of volumes."""

import pytest

from medpipe.core.findings import CodedConcept, Laterality, Maker, Structure, Uncertainty
from medpipe.tasks.volumes import asymmetries, total_volume

LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT


def structure(name: str, side: Laterality | None, volume_ml: float) -> Structure:
    return Structure(
        id=f"{name}/{side}",
        code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=f"The {name}"),
        laterality=side,
        source=f"image_{side}",
        made_by=Maker(name="spots", version="1.0.0"),
        mask=f"image_{side}_spots",
        label=1,
        volume_ml=volume_ml,
    )


def test_total_is_the_sum_on_its_side() -> None:
    total = total_volume([structure("head", LEFT, 1.25), structure("tail", LEFT, 0.5)], "lobster")
    assert (total.name, total.value, total.unit) == ("left lobster volume", 1.75, "mL")
    assert (total.laterality, total.source, total.code.value) == (LEFT, "image_left", "lobster")


def test_total_keeps_the_interval_that_it_is_given() -> None:
    spread = Uncertainty(low=1.0, high=2.0, level=0, method="views")
    total = total_volume([structure("head", LEFT, 1.5)], "lobster", uncertainty=spread)
    assert total.uncertainty == spread


def test_total_without_a_side_names_none() -> None:
    assert total_volume([structure("head", None, 1.0)], "lobster").name == "lobster volume"


def test_asymmetry_is_left_minus_right_of_their_mean() -> None:
    # (3 - 5) / 4 = -50 %; (2 - 1) / 1.5 = 66.67 %
    left = [structure("head", LEFT, 3.0), structure("tail", LEFT, 2.0)]
    right = [structure("tail", RIGHT, 1.0), structure("head", RIGHT, 5.0)]
    found = asymmetries(left, right)
    assert [(item.name, item.value, item.unit) for item in found] == [
        ("the head asymmetry", -50.0, "%"),
        ("the tail asymmetry", pytest.approx(66.67), "%"),
    ]
    assert {item.laterality for item in found} == {Laterality.BOTH}


def test_what_was_found_on_neither_side_has_none() -> None:
    assert asymmetries([structure("head", LEFT, 0.0)], [structure("head", RIGHT, 0.0)]) == ()


def test_what_was_found_on_one_side_differs_by_twice_the_mean() -> None:
    (found,) = asymmetries([structure("head", LEFT, 0.0)], [structure("head", RIGHT, 2.0)])
    assert found.value == -200.0
