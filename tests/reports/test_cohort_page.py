"""Cohort pages: every study is on exactly one, sums add up, nothing is markup."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.errors import ShapeError
from medpipe.reports.cohort import STATES, CohortPage, CohortRow, KeyValue, write_cohort

PageReader = Callable[[Path], Any]
PAGE = CohortPage(
    run="night", pipeline="measure", skipped={"text": 3, "DICOMDIR": 1}, facts={"device": "cpu"}
)


def rows_of(count: int) -> list[CohortRow]:
    """Return studies that go round all states; their volume is 100, 101, ... mL."""
    return [
        CohortRow(
            study=f"s-{number:05d}",
            state=STATES[number % len(STATES)],
            modality="CT",
            form="volume",
            num_images=1,
            values=(KeyValue("body volume", 100.0 + number, "mL"),),
            report=f"studies/s-{number:05d}/report.html",
        )
        for number in range(count)
    ]


def studies_on(page: Any) -> list[str]:
    return [tag["data-key"] for tag in page.all("th") if "data-key" in tag]


def test_thousand_studies_take_twenty_pages_and_each_is_on_one(tmp_path: Path, read_page: PageReader) -> None:
    paths = write_cohort(rows_of(1000), PAGE, tmp_path)
    assert [path.name for path in paths] == ["index.html"] + [f"index-{n}.html" for n in range(2, 21)]
    pages = [read_page(path) for path in paths]
    for page in pages:
        page.assert_safe()
        assert len(studies_on(page)) == 50
    seen = Counter(study for page in pages for study in studies_on(page))
    assert seen == Counter(row.study for row in rows_of(1000))


def test_states_add_up_and_link_to_their_first_study(tmp_path: Path, read_page: PageReader) -> None:
    paths = write_cohort(rows_of(120), PAGE, tmp_path)
    page = read_page(paths[0])
    line = " + ".join(f"20 {state}" for state in STATES)
    assert f"{line} = 120 studies" in page.text
    links = [tag["href"] for tag in page.all("a")]
    # 20 studies a state, failed first: flagged begins at study 81, on the second page.
    assert "./index.html#study-1" in links
    assert "./index-2.html#study-81" in links
    assert "study-81" in [tag.get("id") for tag in read_page(paths[1]).all("tr")]
    shares = [float(tag["width"]) for tag in page.all("rect") if tag["class"] in STATES]
    assert sum(shares) == pytest.approx(100, abs=0.01)


def test_studies_that_need_attention_come_first(tmp_path: Path, read_page: PageReader) -> None:
    page = read_page(write_cohort(rows_of(12), PAGE, tmp_path)[0])
    states = [tag["class"] for tag in page.all("tr") if "id" in tag]
    assert states == [state for state in STATES for _ in range(2)]


def test_skipped_files_are_counted_apart(tmp_path: Path, read_page: PageReader) -> None:
    text = read_page(write_cohort(rows_of(3), PAGE, tmp_path)[0]).text
    assert "4 files that are no images" in text
    assert "DICOMDIR" in text
    assert "= 3 studies" in text


def test_rows_that_are_shards_speak_of_shards_and_link_to_what_they_hold(
    tmp_path: Path, read_page: PageReader
) -> None:
    page = CohortPage("night", "aki", units=("shard", "shards"), inside=("All stays", "stays.html"))
    read = read_page(write_cohort(rows_of(3), page, tmp_path)[0])
    assert "stays.html" in {tag["href"].removeprefix("./") for tag in read.all("a") if "href" in tag}
    assert "Shards by state" in read.text
    assert not any(tag.get("class") == "image" for tag in read.all("td"))


def test_outliers_are_marked_and_linked(tmp_path: Path, read_page: PageReader) -> None:
    values = [10.0, 11.0, 12.0, 13.0, 14.0, 99.0]
    rows = [
        CohortRow(f"s-{n}", "done", values=(KeyValue("volume", value, "mL"),))
        for n, value in enumerate(values)
    ]
    page = read_page(write_cohort(rows, PAGE, tmp_path)[0])
    marked = [tag for tag in page.all("path") if tag["class"] == "outlier"]
    assert len(marked) == 1
    assert "s-5: 99\u202fmL" in page.text
    assert "./index.html#study-6" in [tag["href"] for tag in page.all("a")]
    assert "median 12.5\u202fmL" in page.text


def test_key_values_are_numbers_to_the_sorter(tmp_path: Path, read_page: PageReader) -> None:
    rows = [
        CohortRow("a", "done", values=(KeyValue("volume", 1234.5678, "mL"),)),
        CohortRow("b", "refused", reasons=(("E_GAP", "A slice is missing"),)),
    ]
    page = read_page(write_cohort(rows, PAGE, tmp_path)[0])
    assert [tag["data-number"] for tag in page.all("td") if "data-number" in tag] == [
        "0",
        "",
        "0",
        "1234.5678",
    ]
    assert "A slice is missing" in page.text


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "=cmd|' /C calc'!A0",
        "שלום",
        "🩻",
        "{{ 1 }}",
    ],
)
def test_hostile_strings_stay_text(tmp_path: Path, read_page: PageReader, hostile: str) -> None:
    row = CohortRow(
        hostile,
        "failed",
        reasons=((hostile, hostile),),
        modality=hostile,
        form=hostile,
        values=(KeyValue(hostile, 1.0, hostile),),
        report=hostile,
        label=hostile,
    )
    page = CohortPage(hostile, hostile, {hostile: 1}, {hostile: hostile})
    read = read_page(write_cohort([row], page, tmp_path)[0])
    read.assert_safe()
    assert read.text.count(hostile) >= 10
    assert len(read.all("script")) == 1
    assert read.all("img") == []


def test_unseen_and_broken_characters_are_spelt_out(tmp_path: Path, read_page: PageReader) -> None:
    row = CohortRow("s-1", "failed", label="scan\udcff\u202e\x00")
    assert "scan⟨U+DCFF⟩⟨U+202E⟩⟨U+0000⟩" in read_page(write_cohort([row], PAGE, tmp_path)[0]).text


@pytest.mark.parametrize("report", ["/etc/passwd", "../outside.html", "javascript:alert(1)", "//host/x"])
def test_links_stay_below_the_run(tmp_path: Path, read_page: PageReader, report: str) -> None:
    page = read_page(write_cohort([CohortRow("s-1", "done", report=report)], PAGE, tmp_path)[0])
    page.assert_safe()
    links = [tag["href"] for tag in page.all("a")]
    assert not [
        link for link in links if ".." in link or link.startswith(("/", "javascript", "./javascript:"))
    ]


def test_pages_of_a_longer_run_before_are_removed(tmp_path: Path) -> None:
    write_cohort(rows_of(101), PAGE, tmp_path)
    write_cohort(rows_of(10), PAGE, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html"]


def test_order_of_rows_does_not_change_the_bytes(tmp_path: Path) -> None:
    first = write_cohort(rows_of(60), PAGE, tmp_path)
    before = [path.read_bytes() for path in first]
    write_cohort(rows_of(60)[::-1], PAGE, tmp_path)
    assert [path.read_bytes() for path in first] == before


def test_empty_run_has_a_page(tmp_path: Path, read_page: PageReader) -> None:
    text = read_page(write_cohort([], PAGE, tmp_path)[0]).text
    assert "No studies." in text
    assert "no studies" in text


def test_unknown_state_and_double_study_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="found 'lost'"):
        write_cohort([CohortRow("s", "lost")], PAGE, tmp_path)
    with pytest.raises(ShapeError, match="found 's' twice"):
        write_cohort([CohortRow("s", "done"), CohortRow("s", "failed")], PAGE, tmp_path)
