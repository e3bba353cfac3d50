"""Predicates files: shipped ones, those of users, and wrong ones."""

from pathlib import Path

import pytest

from medpipe.core.errors import SettingsError
from medpipe.ehr.mapping import PREDICATES_OF, read_predicates, shipped_predicates
from medpipe.io.records.open_records import RecordSource


def written(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def test_shipped_predicates_can_be_read() -> None:
    assert shipped_predicates() == ("plain", "mimic", "physionet2012", "ward", "yaib")
    for name in shipped_predicates():
        assert read_predicates(name).codes


def test_every_source_has_predicates() -> None:
    assert {PREDICATES_OF[source] for source in RecordSource} <= set(shipped_predicates())


@pytest.mark.parametrize("code", ["50912", "52546", "LAB//50912//mg/dL", "LAB//52546//mg/dL"])
def test_both_creatinines_of_mimic_are_creatinine(code: str) -> None:
    meaning = read_predicates("mimic").meaning(code)
    assert meaning is not None
    assert (meaning.variable.name, meaning.assumed_unit) == ("creatinine", "mg/dL")


def test_code_may_name_its_unit() -> None:
    meaning = read_predicates("mimic").meaning("LAB//50912//umol/L")
    assert meaning is not None
    assert meaning.stated_unit == "umol/L"


@pytest.mark.parametrize("code", ["51082", "LAB//509120//mg/dL", "LAB//50912", "50912 "])
def test_codes_that_only_look_alike_mean_nothing(code: str) -> None:
    # 51082 is creatinine in urine.
    assert read_predicates("mimic").meaning(code) is None


def test_temperature_of_one_source_has_two_units() -> None:
    predicates = read_predicates("mimic")
    units = [meaning.assumed_unit for code in ("223762", "223761") if (meaning := predicates.meaning(code))]
    assert units == ["C", "F"]


def test_own_file_gives_codes_prefixes_and_statics(tmp_path: Path) -> None:
    predicates = read_predicates(
        written(
            tmp_path,
            """
            predicates:
              - {variable: creatinine, unit: umol/L, codes: [KREA, 17]}
              - {variable: dialysis, codes: ["OPS//8-85*", "OPS//8-854.2"]}
            statics:
              sex: {F: [G//w], M: [G//m]}
            """,
        )
    )
    assert predicates.meaning("17") == predicates.meaning("KREA")
    assert [predicates.meaning(code) is not None for code in ("OPS//8-857", "OPS//8-9")] == [True, False]
    assert predicates.statics == {"G//w": ("sex", "F"), "G//m": ("sex", "M")}


def test_longest_prefix_wins(tmp_path: Path) -> None:
    predicates = read_predicates(
        written(
            tmp_path,
            'predicates:\n- {variable: sodium, codes: ["L//*"]}\n- {variable: urea, codes: ["L//U//*"]}\n',
        )
    )
    meaning = predicates.meaning("L//U//1")
    assert meaning is not None
    assert meaning.variable.name == "urea"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "predicates:\n- {variable: creatinin, codes: [a]}",
            r"own.yaml, line 2: there is no variable 'creatinin'.*Did you mean 'creatinine'",
        ),
        (
            "predicates:\n- {variable: urea, code: [a]}",
            r"line 2: unknown key 'code'. Did you mean 'codes'",
        ),
        ("predicate:\n- {variable: urea, codes: [a]}", "unknown key 'predicate'. Did you mean 'predicates'"),
        (
            "predicates:\n- {variable: urea, codes: [a], unit: mg}",
            "line 2: The unit of urea is not known: found 'mg'",
        ),
        (
            "predicates:\n- {variable: urea, codes: [a]}\n- {variable: sodium, codes: [b, a]}",
            "line 3: a code stands twice: found a",
        ),
        ("predicates:\n- {variable: urea, codes: !!python/tuple [a]}", "tags are not allowed"),
    ],
)
def test_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_predicates(written(tmp_path, text))


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'mimic'"):
        read_predicates("mimik")


def test_own_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    name = written(tmp_path, "predicates:\n- {variable: urea, codes: [a]}")
    assert read_predicates(name).meaning("b") is None
    written(tmp_path, "predicates:\n- {variable: urea, codes: [b]}")
    assert read_predicates(name).meaning("b") is not None
