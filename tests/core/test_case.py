"""Cases: frozen, and every finding, flag and figure has an id of its own."""

import pytest

from medpipe.core.case import Case, Figure
from medpipe.core.codes import Code
from medpipe.core.errors import ShapeError
from medpipe.core.findings import CodedConcept, Maker, Measurement, flag
from medpipe.core.source import Source, SourceKind

MAKER = Maker(name="test", version="1")
TILT = flag(Code.W_TILT, "tilted", made_by=MAKER)
SIZE = Measurement(
    id="test/size",
    code=CodedConcept(scheme="99MEDPIPE", value="size", meaning="Size"),
    made_by=MAKER,
    name="size",
    value=1.0,
    unit="mL",
)
FIGURE = Figure(name="mosaic", title="Mosaic", caption="", webp=b"", alt="")


def test_mappings_are_copied_and_cannot_be_changed() -> None:
    sources = {"image": Source(kind=SourceKind.MEMORY)}
    for case in (Case("st-1", sources=sources), Case("st-1").with_(sources=sources)):
        with pytest.raises(TypeError):
            case.sources["other"] = sources["image"]  # type: ignore[index]  # that is the test
        assert case.sources is not sources


def test_old_case_is_not_changed_by_what_is_added() -> None:
    old = Case("st-1")
    new = old.adding(findings=(SIZE,), flags=(TILT,), figures=(FIGURE,))
    assert (old.findings, old.flags, old.figures) == ((), (), ())
    assert (new.findings, new.flags, new.figures) == ((SIZE,), (TILT,), (FIGURE,))


def test_record_holds_flags_first() -> None:
    record = Case("st-1").adding(findings=(SIZE,)).adding(flags=(TILT,)).record()
    assert record.study == "st-1"
    assert [item.id for item in record.findings] == ["test/w_tilt", "test/size"]


def test_second_finding_of_an_id_is_refused() -> None:
    with pytest.raises(ShapeError, match="finding needs an id of its own: found test/size twice"):
        Case("st-1").adding(findings=(SIZE,)).adding(findings=(SIZE,))


def test_finding_with_the_id_of_a_flag_is_refused() -> None:
    with pytest.raises(ShapeError, match="test/w_tilt twice"):
        Case("st-1").adding(flags=(TILT,), findings=(SIZE.model_copy(update={"id": TILT.id}),))


def test_second_figure_of_a_name_is_refused() -> None:
    with pytest.raises(ShapeError, match="figure needs an id of its own: found mosaic twice"):
        Case("st-1").adding(figures=(FIGURE, FIGURE))
