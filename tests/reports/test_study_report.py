"""Study reports: everything in the folder is on the page, as text, and nothing else happens."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.case import Figure
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.findings import (
    Change,
    CodedConcept,
    Forecast,
    Label,
    Laterality,
    Lesion,
    Maker,
    Measurement,
    Risk,
    Sentence,
    Structure,
    Uncertainty,
    flag,
)
from medpipe.core.source import GeometryNote
from medpipe.io.study_folder import StageRecord
from medpipe.reports.study import render_study

StudyBuilder = Callable[..., Path]
PageReader = Callable[[Path], Any]

MAKER = Maker(name="measure", version="2")
CONCEPT = CodedConcept(scheme="SCT", value="123", meaning="Meaning in words")

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "=cmd|' /C calc'!A0",
    "&lt;b&gt; &amp; &#60;",
    "שלום عربي",
    "🧠🩻",
]
UNSEEN = {"a\x00b": "a⟨U+0000⟩b", "x\u202egnp.exe": "x⟨U+202E⟩gnp.exe", "\u2066y\u2069": "⟨U+2066⟩y⟨U+2069⟩"}


def measurement(**changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "id": "measure/volume",
        "code": CONCEPT,
        "source": "image",
        "made_by": MAKER,
        "name": "body volume",
        "value": 1886.31,
        "unit": "mL",
    }
    return Measurement(**{**fields, **changes})


def every_kind() -> list[Any]:
    common: dict[str, Any] = {"code": CONCEPT, "made_by": MAKER}
    return [
        measurement(uncertainty=Uncertainty(low=1800, high=1950, level=0.95, method="views")),
        Label(id="l", probability=0.8712, threshold=0.5, slice_probabilities=(0.0, 1.0, 0.5), **common),
        Structure(id="s", mask="organs", label=3, volume_ml=12.5, **common),
        Lesion(
            id="n",
            box=(0, 0, 0, 1, 1, 1),
            centre_mm=(-10, 20, -30),
            size_mm=(4, 5, 6),
            score=0.9,
            laterality=Laterality.LEFT,
            **common,
        ),
        Risk(id="r", at_h=24, horizon_h=48, probability=0.25, **common),
        Forecast(id="f", lab="creatinine", at_h=24, horizon_h=48, value=120, unit="umol/L", **common),
        Change(id="c", name="volume", prior_study="s-prior", prior_value=10, value=12, unit="mL", **common),
        Sentence(id="t", section="Impression", text="No bleed.", rests_on=("l", "n"), **common),
    ]


def html_of(folder: Path) -> Path:
    return render_study(folder, formats=["html"])[0]


def test_every_kind_is_shown_with_units(build_study: StudyBuilder, read_page: PageReader) -> None:
    page = read_page(html_of(build_study(every_kind())))
    page.assert_safe()
    for text in (
        "1 886 mL".replace(" ", "\u202f"),
        "1\u202f800 to 1\u202f950\u202fmL (95\u202f% interval, views)",
        "0.87",
        "▲ above threshold",
        "slice 2 of 3 (1.00)",
        "12.5\u202fmL",
        "mask organs, label 3",
        "4 × 5 × 6\u202fmm",
        "centre L 10, A 20, I 30\u202fmm",
        "within 48\u202fh of hour 24",
        "120\u202fµmol/L",
        "10\u202fmL → 12\u202fmL",
        "prior study s-prior",
        "No bleed.",
        "rests on l, n",
        "measure 2",
    ):
        assert text in page.text, text
    assert [tag["points"] for tag in page.all("polyline")] == ["0.0,25.0 60.0,1.0 120.0,13.0"]


def test_notice_status_and_study_id_come_first(build_study: StudyBuilder, read_page: PageReader) -> None:
    text = read_page(html_of(build_study(study="s-0123456789"))).text
    notice, study, done = (text.index(part) for part in ("not for diagnosis", "medpipe study report", "Done"))
    assert notice < study < done
    assert "s-0123456789" in text[study:done]


def test_flags_and_notes_are_listed_once_each(build_study: StudyBuilder, read_page: PageReader) -> None:
    note = GeometryNote(code=Code.W_TILT, message="The gantry was tilted", found="15.0 degrees")
    other = GeometryNote(code=Code.W_PREAMBLE, message="No preamble", found="0 bytes")
    raised = flag(Code.W_TILT, "The gantry was tilted", found="15.0 degrees", source="image", made_by=MAKER)
    text = read_page(html_of(build_study([raised], notes=(note, other)))).text
    assert text.count("W_TILT") == 1
    assert text.count("W_PREAMBLE") == 1
    assert Code.W_TILT.meaning in text
    assert "15.0 degrees" in text
    assert "2 flags" in text
    assert "Flagged" in text


def test_geometry_and_provenance_are_shown(build_study: StudyBuilder, read_page: PageReader) -> None:
    stage = StageRecord(stage="measure", version="7", key="k" * 64, params={"bands": [1, 2], "deep": True})
    text = read_page(html_of(build_study(stages=(stage,), acquisition={"kernel": "B30f"}))).text
    for part in (
        "512 × 512 × 40\u202fvoxels",
        "0.5 × 0.5 × 5\u202fmm",
        "256 × 256 × 200\u202fmm",
        "LPS",
        "1 of 2 passed",
        "✓ passed",
        "✗ not passed",
        "0.05 mm",
        "B30f",
        "ab" * 32,
        "k" * 64,
        "[1, 2]",
        "true",
        "1.2.3.4",
    ):
        assert part in text, part


def test_unknown_kinds_are_shown_as_text(build_study: StudyBuilder, read_page: PageReader) -> None:
    raw = {"kind": "texture", "id": "radiomics/1", "entropy": 4.25}
    text = read_page(html_of(build_study([measurement()], raw_findings=[raw]))).text
    assert "texture: entropy = 4.25" in text
    assert text.index("Measurements") < text.index("Other findings")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_strings_stay_text(build_study: StudyBuilder, read_page: PageReader, hostile: str) -> None:
    figure = Figure(name="mosaic_axial", title=hostile, caption=hostile, webp=b"RIFF", alt=hostile)
    folder = build_study(
        [
            measurement(id=hostile, name=hostile, unit=hostile, source=hostile),
            Sentence(id="t", code=CONCEPT, made_by=MAKER, section=hostile, text=hostile),
            flag(Code.W_HEADER, hostile, found=hostile, made_by=MAKER),
        ],
        study=hostile,
        raw_findings=[{"kind": hostile, "id": "u", hostile: hostile}],
        figures=[figure],
        acquisition={hostile: hostile},
        stages=(StageRecord(stage=hostile, version=hostile, key=hostile, params={hostile: hostile}),),
    )
    page = read_page(html_of(folder))
    page.assert_safe()
    assert page.text.count(hostile) >= 10
    assert [image["alt"] for image in page.all("img")] == [hostile]
    assert page.all("script") == []


@pytest.mark.parametrize(("unseen", "shown"), UNSEEN.items())
def test_unseen_characters_are_spelt_out(
    build_study: StudyBuilder, read_page: PageReader, unseen: str, shown: str
) -> None:
    page = read_page(html_of(build_study([measurement(name=unseen)])))
    assert shown in page.text
    assert not {"\x00", "\u202e", "\u2066"} & set(page.markup)


def test_equal_folders_give_equal_bytes(build_study: StudyBuilder) -> None:
    folder = build_study(every_kind())
    first = html_of(folder).read_bytes()
    assert html_of(folder).read_bytes() == first


def test_pictures_are_embedded_with_their_words(build_study: StudyBuilder, read_page: PageReader) -> None:
    figure = Figure(name="histogram", title="T", caption="C", webp=b"RIFFxxxx", alt="A")
    page = read_page(html_of(build_study(figures=[figure])))
    assert page.all("img") == [{"src": "data:image/webp;base64,UklGRnh4eHg=", "alt": "A"}]
    assert "logarithmic" in page.text  # how to read a histogram


def test_each_panel_says_how_to_read_it(build_study: StudyBuilder, read_page: PageReader) -> None:
    page = read_page(html_of(build_study(every_kind())))
    panels = [tag for tag in page.all("section") if "panel" in tag["class"]]
    assert page.text.count("How to read this panel") >= len(panels)


def test_json_is_the_record_itself(build_study: StudyBuilder) -> None:
    folder = build_study(every_kind())
    assert render_study(folder, formats=["json"]) == (folder / "findings.json",)
    assert render_study(folder) == (folder / "report.html", folder / "findings.json")


def test_unknown_format_names_the_nearest(build_study: StudyBuilder) -> None:
    with pytest.raises(SettingsError, match=r"found 'htm'.*Did you mean 'html'"):
        render_study(build_study(), formats=["htm"])


def test_incomplete_folder_is_refused(build_study: StudyBuilder) -> None:
    folder = build_study()
    (folder / "provenance.json").unlink()
    with pytest.raises(RefusedError, match=r"found no provenance\.json"):
        render_study(folder)


def test_reports_import_no_torch(build_study: StudyBuilder) -> None:
    folder = build_study(every_kind())
    program = (
        "import json, sys; from pathlib import Path; import medpipe.reports.cohort as c;"
        "from medpipe.reports.study import render_study; render_study(Path(sys.argv[1]));"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "monai", "numpy", "pydicom", "nibabel"}
