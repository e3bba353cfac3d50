"""Real records, against what pandas counts in the same files."""

import zipfile
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medpipe.core.codes import Code
from medpipe.ehr.harmonise import Harmonised, harmonise_each
from medpipe.ehr.mapping import PREDICATES_OF, read_predicates
from medpipe.ehr.record_counts import RecordCounts
from medpipe.io.records.open_records import RecordSource, open_records, sniff_records

CREATININE = 88.4
"""umol/L of 1 mg/dL."""


def harmonised(path: Path, expected: RecordSource, limit: int | None = None) -> list[Harmonised]:
    """Return the records of a source, none of them refused and every row accounted for."""
    assert sniff_records(path) is expected
    predicates = read_predicates(PREDICATES_OF[expected])
    results = []
    for result in harmonise_each(islice(open_records(path), limit), predicates):
        assert isinstance(result, Harmonised), result
        assert result.counts.rows == result.counts.accounted
        results.append(result)
    return results


def total(results: list[Harmonised]) -> RecordCounts:
    return sum((result.counts for result in results), start=RecordCounts())


def values_of(results: list[Harmonised], variable: str) -> np.ndarray:
    parts = [result.record.values[result.record.codes == variable] for result in results]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("part", "num_stays", "num_hours", "num_positive"),
    [
        ("mimic_demo", 93, 4_267, 477),
        pytest.param("eicu_demo", 1_368, 53_758, 5_932, marks=pytest.mark.slow),
    ],
)
def test_yaib_has_its_stays_labels_and_cells(
    shared_data: Path, part: str, num_stays: int, num_hours: int, num_positive: int
) -> None:
    folder = shared_data / "yaib_aki" / part
    results = harmonised(folder, RecordSource.YAIB)
    counts = total(results)
    cells = pd.read_parquet(folder / "dyn.parquet").drop(columns=["stay_id", "time"])
    assert (counts.patients, counts.rows) == (num_stays, int(cells.notna().sum().sum()))
    labels = [result.labels for result in results]
    assert sum(len(item.time_h) for item in labels if item) == num_hours
    assert sum(int(item.positive.sum()) for item in labels if item) == num_positive
    assert counts.suspect_units == counts.unknown_codes == counts.unknown_units == Counter()
    assert counts.duplicates == counts.merged == counts.summed == counts.without_time == 0


def test_yaib_creatinine_is_that_of_the_table_but_for_zeros(shared_data: Path) -> None:
    folder = shared_data / "yaib_aki" / "mimic_demo"
    results = harmonised(folder, RecordSource.YAIB)
    table = pd.read_parquet(folder / "dyn.parquet", columns=["stay_id", "time", "crea"]).dropna()
    believed = table[table.crea > 0]
    assert len(table) - len(believed) == 1
    np.testing.assert_allclose(values_of(results, "creatinine"), believed.crea * CREATININE)
    hours = [item.record.time_h[item.record.codes == "creatinine"] for item in results]
    np.testing.assert_array_equal(np.concatenate(hours), believed.time.dt.total_seconds() / 3600)
    assert total(results).out_of_limits == {"creatinine": 1}


def test_yaib_statics_are_those_of_the_table(shared_data: Path) -> None:
    folder = shared_data / "yaib_aki" / "mimic_demo"
    table = pd.read_parquet(folder / "sta.parquet").set_index("stay_id")
    for result in harmonised(folder, RecordSource.YAIB):
        row = table.loc[int(result.record.patient_id)]
        assert result.record.statics["age"] == row.age
        assert result.record.statics["sex"] == row.sex[0]
        assert result.record.statics.get("weight_kg", np.nan) == pytest.approx(row.weight, nan_ok=True)


class TestMimic3:
    def test_every_admission_has_the_rows_up_to_its_discharge(self, shared_data: Path) -> None:
        folder = shared_data / "mimic3_demo"
        results = harmonised(folder, RecordSource.MIMIC3)
        tables = [
            pd.read_csv(
                folder / f"{name}.csv.gz", usecols=["subject_id", "charttime"], parse_dates=["charttime"]
            )
            for name in ("labevents", "outputevents")
        ]
        events = pd.concat(tables).merge(self.admissions(folder), on="subject_id")
        known = events[events.charttime <= events.dischtime].groupby("hadm_id").size()
        num_history = self.earlier_dialysed(folder)
        assert len(results) == 105
        for result in results:
            stay = int(result.record.statics["stay"])
            assert result.counts.rows == known.get(stay, 0) + num_history.get(stay, 0)
        assert total(results).unknown_units == Counter()

    def test_creatinine_of_stays_is_that_of_the_table_but_for_zeros(self, shared_data: Path) -> None:
        folder = shared_data / "mimic3_demo"
        results = harmonised(folder, RecordSource.MIMIC3)
        columns = ["subject_id", "itemid", "charttime", "valuenum"]
        labs = pd.read_csv(folder / "labevents.csv.gz", usecols=columns, parse_dates=["charttime"])
        labs = labs[labs.itemid == 50912].merge(self.admissions(folder), on="subject_id")
        labs = labs[labs.charttime <= labs.dischtime]
        believed = labs[labs.valuenum > 0]
        moments = believed.groupby(["hadm_id", "charttime"]).valuenum.median()
        found = values_of(results, "creatinine")
        assert len(found) == len(moments)
        assert np.sort(found) == pytest.approx(np.sort(moments.to_numpy()) * CREATININE)
        assert total(results).out_of_limits["creatinine"] == len(labs) - len(believed) > 0

    def test_dialysis_of_billing_codes_marks_eight_stays(self, shared_data: Path) -> None:
        results = harmonised(shared_data / "mimic3_demo", RecordSource.MIMIC3)
        assert sum(item.record.statics["dialysis_in_stay"] for item in results) == 8

    def test_ages_are_of_adults_and_masked_ones_ninety(self, shared_data: Path) -> None:
        results = harmonised(shared_data / "mimic3_demo", RecordSource.MIMIC3)
        ages = [item.record.statics["age"] for item in results]
        assert min(ages) > 15
        assert max(ages) == 90

    @staticmethod
    def admissions(folder: Path) -> pd.DataFrame:
        columns = ["subject_id", "hadm_id", "admittime", "dischtime"]
        return pd.read_csv(
            folder / "admissions.csv.gz", usecols=columns, parse_dates=["admittime", "dischtime"]
        )

    def earlier_dialysed(self, folder: Path) -> dict[int, int]:
        """Return how many earlier stays with dialysis each admission has."""
        procedures = pd.read_csv(folder / "procedures_icd.csv.gz", dtype={"icd9_code": str})
        dialysed = set(procedures[procedures.icd9_code.isin(["3995", "5498"])].hadm_id)
        stays = self.admissions(folder)
        pairs = stays.merge(stays[stays.hadm_id.isin(dialysed)], on="subject_id", suffixes=("", "_before"))
        earlier = pairs[pairs.dischtime_before <= pairs.admittime]
        return earlier.groupby("hadm_id").size().to_dict()


class TestPhysionet2012:
    def test_stays_have_their_rows_and_missing_weights(self, shared_data: Path) -> None:
        path = shared_data / "physionet2012" / "set-a.zip"
        results = harmonised(path, RecordSource.PHYSIONET2012, limit=150)
        table = self.table(path, 150)
        rows = table[~table.Parameter.isin(["RecordID", "Age", "Gender", "Height", "ICUType"])]
        counts = total(results)
        assert counts.rows == len(rows)
        missing = int(((rows.Parameter == "Weight") & (rows.Value == -1)).sum())
        assert counts.without_value == {"weight": missing}
        assert counts.unknown_codes["GCS"] == int((rows.Parameter == "GCS").sum())

    def test_creatinine_is_that_of_the_files(self, shared_data: Path) -> None:
        path = shared_data / "physionet2012" / "set-a.zip"
        results = harmonised(path, RecordSource.PHYSIONET2012, limit=150)
        table = self.table(path, 150)
        expected = table[table.Parameter == "Creatinine"].groupby(["file", "Time"]).Value.median()
        assert np.sort(values_of(results, "creatinine")) == pytest.approx(np.sort(expected) * CREATININE)

    @pytest.mark.slow
    def test_whole_set_has_four_thousand_stays_and_few_doubts(self, shared_data: Path) -> None:
        results = harmonised(shared_data / "physionet2012", RecordSource.PHYSIONET2012)
        counts = total(results)
        assert (counts.patients, counts.rows) == (4_000, 1_757_980 - 5 * 4_000)
        assert counts.out_of_limits["ph"] == 11  # such as 735: the point was left out
        assert sum(note.code is Code.W_UNIT for item in results for note in item.notes) == 2

    @staticmethod
    def table(path: Path, num_files: int) -> pd.DataFrame:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".txt"))[:num_files]
            return pd.concat([pd.read_csv(archive.open(name)).assign(file=name) for name in names])
