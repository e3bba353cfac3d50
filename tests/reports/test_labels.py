"""Labels in reports: results in words, bars and curves to scale, pictures where they belong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.core.case import Figure
from medpipe.core.findings import CodedConcept, Label, Maker, Measurement, Uncertainty
from medpipe.figures.key_slices import KeySlice, draw_key_slices, highest_slices
from medpipe.figures.slice_curve import draw_slice_curves
from medpipe.reports.cohort import CohortPage, CohortRow, write_cohort
from medpipe.reports.label_rows import label_parts
from medpipe.reports.label_strips import LabelValue
from medpipe.reports.study import render_study

StudyBuilder = Callable[..., Path]
PageReader = Callable[[Path], Any]

MAKER = Maker(name="head-ct", version="1.0.0")
AXIAL = np.array([[-1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])


def label(name: str, probability: float, threshold: float = 0.5, **changes: Any) -> Label:
    fields: dict[str, Any] = {
        "id": f"classify/image/{name}",
        "code": CodedConcept(scheme="99MEDPIPE", value=name, meaning=name),
        "source": "image",
        "made_by": MAKER,
        "probability": probability,
        "threshold": threshold,
    }
    return Label(**{**fields, **changes})


def interval(low: float, high: float) -> Uncertainty:
    return Uncertainty(low=low, high=high, level=0.95, method="calibration")


def head_study() -> tuple[list[Any], list[Figure]]:
    """Return a measurement, labels of a head CT as a classifier gives them, and figures drawn from them."""
    curves = {
        "Any haemorrhage": (0.94, 0.5, (0.02, 0.05, 0.31, 0.88, 0.93, 0.4, 0.06)),
        "Intraventricular haemorrhage": (0.61, 0.55, (0.01, 0.02, 0.12, 0.58, 0.35, 0.05, 0.01)),
        "Subarachnoid haemorrhage": (0.004, 0.3, (0.01, 0.02, 0.02, 0.01, 0.01, 0.01, 0.0)),
        "Mass effect": (0.41, 0.5, (0.02, 0.05, 0.1, 0.2, 0.41, 0.33, 0.06)),
    }
    intervals = [interval(0.88, 0.97), interval(0.5, 0.71), None, interval(0.35, 0.48)]
    labels = [
        label(name, probability, threshold, slice_probabilities=curve, uncertainty=found)
        for (name, (probability, threshold, curve)), found in zip(curves.items(), intervals, strict=True)
    ]
    positions_mm = np.array([[0.0, 0.0, height] for height in (0, 4, 8, 12, 19, 26, 33)])
    slices = np.random.default_rng(0).normal(35, 5, (7, 40, 48))
    evidence = np.zeros((8, 8))
    evidence[3:5, 2:4] = 1.0
    keys = [
        KeySlice(item, highest_slices(item.slice_probabilities)[0], evidence)
        for item in labels
        if item.is_positive
    ]
    figures = [
        draw_slice_curves(labels, AXIAL, positions_mm),
        draw_key_slices(slices, AXIAL, positions_mm, keys, modality="CT"),
        Figure(name="contact_sheet", title="Sheet", caption="C", webp=b"RIFF", alt="sheet of slices"),
    ]
    volume = Measurement(
        id="measure/volume", code=labels[0].code, made_by=MAKER, name="body volume", value=1.0, unit="mL"
    )
    return [volume, *labels], figures


def page_of(build_study: StudyBuilder, read_page: PageReader, findings: list[Any], **more: Any) -> Any:
    page = read_page(render_study(build_study(findings, **more), formats=["html"])[0])
    page.assert_safe()
    return page


class TestStudyPage:
    def test_results_are_words(self, build_study: StudyBuilder, read_page: PageReader) -> None:
        findings, _ = head_study()
        text = page_of(build_study, read_page, findings).text
        assert "2 of 4 labels above threshold: Any haemorrhage, Intraventricular haemorrhage." in text
        assert text.count("▲ above threshold") == 2
        assert text.count("▽ below threshold") == 2
        # 0.55 lies within 0.5 to 0.71; the other intervals are clear of their thresholds.
        assert text.count("the interval spans the threshold") == 1
        for part in (
            "0.94",
            "0.88 to 0.97 (95\u202f% interval, calibration)",
            "<0.01",
            "slice 5 of 7 (0.93)",
        ):
            assert part in text, part

    def test_figures_of_labels_follow_their_table(
        self, build_study: StudyBuilder, read_page: PageReader
    ) -> None:
        findings, figures = head_study()
        page = page_of(build_study, read_page, findings, figures=figures)
        alts = [image["alt"] for image in page.all("img")]
        assert [alt.split()[0] for alt in alts] == ["Curves", "2", "sheet"]
        order = [attributes.get("id", tag) for tag, attributes in page.tags if tag in ("section", "img")]
        assert order[order.index("kind-label") + 1 :][:4] == ["img", "img", "figures", "img"]
        assert "what the model weighed in orange" in page.text

    def test_figures_of_labels_stand_among_pictures_where_no_label_does(
        self, build_study: StudyBuilder, read_page: PageReader
    ) -> None:
        findings, figures = head_study()
        page = page_of(build_study, read_page, findings[:1], figures=figures)
        assert len(page.all("img")) == 3
        order = [attributes.get("id", tag) for tag, attributes in page.tags if tag in ("section", "img")]
        assert order[order.index("figures") + 1 :][:3] == ["img", "img", "img"]

    def test_labels_without_curves_have_no_column_for_them(
        self, build_study: StudyBuilder, read_page: PageReader
    ) -> None:
        page = page_of(build_study, read_page, [label("bleed", 0.7)])
        assert "By slice" not in page.text
        assert page.all("polyline") == []
        assert "1 of 1 label above threshold: bleed." in page.text

    def test_hostile_names_stay_text(self, build_study: StudyBuilder, read_page: PageReader) -> None:
        hostile = '"><script>alert(1)</script>'
        page = page_of(build_study, read_page, [label(hostile, 0.7, slice_probabilities=(0.1, 0.7))])
        assert page.all("script") == []
        assert hostile in page.text


class TestRow:
    def test_bar_threshold_and_interval_share_a_scale(self) -> None:
        parts = label_parts(label("bleed", 0.5, 0.25, uncertainty=interval(0.4, 0.6)))
        # 130 pixels from 0 to 1.
        assert (parts.bar, parts.mark, parts.whisker) == (65.0, 32.5, (52.0, 78.0))

    def test_curve_runs_from_the_first_slice_to_the_last(self) -> None:
        parts = label_parts(label("bleed", 0.5, 0.25, slice_probabilities=(0.0, 1.0, 0.25)))
        # 120 pixels across; 26 high with a margin of 1: a probability p lies at 25 - 24 p.
        assert parts.curve == "0.0,25.0 60.0,1.0 120.0,19.0"
        assert parts.curve_mark == 19.0
        assert parts.key_slice == "slice 2 of 3 (1.00)"

    @pytest.mark.parametrize(
        ("probability", "low", "high", "is_open"),
        [(0.6, 0.4, 0.7, True), (0.6, 0.5, 0.7, False), (0.4, 0.3, 0.5, True), (0.4, 0.3, 0.49, False)],
    )
    def test_an_interval_that_holds_the_threshold_leaves_the_result_open(
        self, probability: float, low: float, high: float, is_open: bool
    ) -> None:
        # A label at its threshold counts as above it.
        parts = label_parts(label("bleed", probability, uncertainty=interval(low, high)))
        assert parts.is_open is is_open


class TestCohortPage:
    def rows(self, *probabilities: float, threshold: float = 0.5) -> list[CohortRow]:
        return [
            CohortRow(
                f"s-{number:03d}",
                "done",
                labels=(LabelValue("bleed", probability, threshold), LabelValue("shift", 0.1, 0.4)),
            )
            for number, probability in enumerate(probabilities)
        ]

    def page(self, rows: list[CohortRow], folder: Path, read_page: PageReader) -> Any:
        page = read_page(write_cohort(rows, CohortPage("night", "head-ct"), folder)[0])
        page.assert_safe()
        return page

    def test_studies_above_threshold_are_counted_and_linked(
        self, tmp_path: Path, read_page: PageReader
    ) -> None:
        refused = CohortRow("s-999", "refused")
        page = self.page([*self.rows(0.05, 0.5, 0.93, 0.2), refused], tmp_path, read_page)
        assert "2 of 4 studies above threshold" in page.text
        assert "0 of 4 studies above threshold" in page.text
        assert "s-002: 0.93" in page.text
        # Refused comes first on the page, so s-001 and s-002 are the third and the fourth.
        dots = [tag["d"] for tag in page.all("path") if tag["class"] == "outlier"]
        links = [tag["href"] for tag in page.all("a") if "study" in tag["href"]]
        assert links[-2:] == ["./index.html#study-4", "./index.html#study-3"]
        # 588 pixels from 0 to 1 after a margin of 6.
        assert dots == ["M552.8 17h0", "M300.0 17h0"]
        assert [tag["d"] for tag in page.all("path") if tag["class"] == "limit"] == [
            "M300.0 2v30",
            "M241.2 2v30",
        ]

    def test_column_names_what_is_above(self, tmp_path: Path, read_page: PageReader) -> None:
        page = self.page([*self.rows(0.9, 0.1), CohortRow("s-9", "done")], tmp_path, read_page)
        counted = [tag["data-number"] for tag in page.all("td") if tag.get("class") == "above-names"]
        assert counted == ["1", "0", ""]
        assert "none" in page.text

    def test_large_cohorts_link_the_highest(self, tmp_path: Path, read_page: PageReader) -> None:
        probabilities = [0.5 + number / 1000 for number in range(300)]
        page = self.page(self.rows(*probabilities), tmp_path, read_page)
        assert len([tag for tag in page.all("path") if tag["class"] == "outlier"]) == 50
        assert "s-299: 0.80" in page.text
        assert "s-250: 0.75" in page.text
        assert "s-249: " not in page.text
        assert "300 of 300 studies above threshold" in page.text

    def test_runs_without_labels_have_no_panel(self, tmp_path: Path, read_page: PageReader) -> None:
        page = self.page([CohortRow("s-1", "done")], tmp_path, read_page)
        assert "labels" not in [tag.get("id") for tag in page.all("section")]
        assert "Above threshold" not in page.text
