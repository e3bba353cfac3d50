"""Left beside right: what belongs together, and what does not."""

from typing import Any

from medpipe.core.findings import CodedConcept, Laterality, Maker, Measurement, Structure
from medpipe.reports.sides import SideRow, side_rows

MAKER = Maker(name="spots", version="1.0.0")
LEFT, RIGHT, BOTH = Laterality.LEFT, Laterality.RIGHT, Laterality.BOTH


def concept(name: str) -> CodedConcept:
    return CodedConcept(scheme="99MEDPIPE", value=name, meaning=name.capitalize())


def structure(name: str, side: Laterality | None, volume_ml: float, **changes: Any) -> Structure:
    fields: dict[str, Any] = {"code": concept(name), "made_by": MAKER, "mask": "m", "label": 1, **changes}
    return Structure(id=f"{name}/{side}", laterality=side, volume_ml=volume_ml, **fields)


def measurement(name: str, side: Laterality, value: float, unit: str) -> Measurement:
    fields: dict[str, Any] = {"code": concept(name), "made_by": MAKER, "name": name}
    return Measurement(id=f"{name}/{side}/{unit}", laterality=side, value=value, unit=unit, **fields)


def test_rows_gather_volumes_totals_and_asymmetries() -> None:
    rows = side_rows(
        [
            structure("head", LEFT, 1.23456),
            measurement("all", LEFT, 3.0, "mL"),
            structure("head", RIGHT, 1.5),
            measurement("all", RIGHT, 2.0, "mL"),
            measurement("all", BOTH, 40.0, "%"),
            measurement("head", BOTH, -19.42, "%"),
        ]
    )
    assert rows == (
        SideRow("Head", "1.23\u202fmL", "1.50\u202fmL", "\u221219.4\u202f%"),
        SideRow("All", "3.00\u202fmL", "2.00\u202fmL", "+40.0\u202f%"),
    )


def test_one_side_alone_gives_no_row() -> None:
    assert side_rows([structure("head", LEFT, 1.0), structure("tail", None, 1.0)]) == ()


def test_another_package_is_another_row() -> None:
    other = Maker(name="spots", version="1.1.0")
    assert side_rows([structure("head", LEFT, 1.0), structure("head", RIGHT, 2.0, made_by=other)]) == ()


def test_other_units_of_a_side_are_no_volume() -> None:
    findings = [measurement("head", LEFT, 20.0, "%"), measurement("head", RIGHT, 30.0, "%")]
    assert side_rows(findings) == ()


def test_even_sides_have_no_sign() -> None:
    volumes = [structure("head", side, 1.0) for side in (LEFT, RIGHT)]
    (row,) = side_rows([*volumes, measurement("head", BOTH, -0.04, "%")])
    assert row.asymmetry == "0.0\u202f%"
