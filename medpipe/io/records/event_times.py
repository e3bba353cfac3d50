"""Times of a table as text: hours, or moments with or without a time zone, one form throughout."""

import re
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_MOMENT: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?$"
_ZONED: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}(:?\d{2})?)$"


class TimeForm(StrEnum):
    """How a table writes its times."""

    HOURS = "hours as numbers"
    LOCAL = "moments without a time zone"
    ZONED = "moments with a time zone"


_PATTERNS: Final = {TimeForm.HOURS: _NUMBER, TimeForm.LOCAL: _MOMENT, TimeForm.ZONED: _ZONED}


class TimeReader:
    """Reads the times of one table and holds it to one form."""

    def __init__(self, table: str) -> None:
        """Read times of a table of this name."""
        self._table = table
        self._rows = 0
        self.form: TimeForm | None = None

    def read(self, texts: pa.Array) -> npt.NDArray[Any]:
        """Read the next ``(T,)`` texts; the first that is not empty decides on the form.

        Returns:
            ``(T,)`` float64 hours, NaN where empty; or datetime64[us], NaT where empty, in UTC where a time
            zone is stated.

        Raises:
            SettingsError: A text is no time, or of another form than those before (``E_TIME``).
        """
        texts = pc.utf8_trim_whitespace(texts)
        filled = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
        given = filled.drop_null()
        if self.form is None:
            self.form = self._form_of(given[0].as_py() if len(given) else "")
        matches = pc.match_substring_regex(filled, _PATTERNS[self.form])
        wrong = np.flatnonzero(~matches.fill_null(True).to_numpy(zero_copy_only=False))
        if len(wrong):
            self._refuse(int(wrong[0]), texts[int(wrong[0])].as_py())
        self._rows += len(texts)
        return self._converted(filled)

    def _form_of(self, text: str) -> TimeForm:
        for form, pattern in _PATTERNS.items():
            if re.match(pattern, text):
                return form
        raise SettingsError(
            Code.E_TIME,
            f"{self._table}: a time cannot be read",
            found=_shape(text),
            fix="Write ISO 8601, such as 2026-03-01T14:30:00+01:00, or hours such as 12.5.",
        )

    def _refuse(self, row: int, text: str) -> None:
        form = self._form_of(text)
        raise SettingsError(
            Code.E_TIME,
            f"{self._table}: times are of two forms, {self.form} before row {self._rows + row + 1}",
            found=f"{form} ({_shape(text)})",
            fix="Write all times alike: all with a time zone, or none.",
        )

    def _converted(self, texts: pa.Array) -> npt.NDArray[Any]:
        if self.form is TimeForm.HOURS:
            hours: npt.NDArray[np.float64] = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
            return hours.astype(np.float64)
        zone = "UTC" if self.form is TimeForm.ZONED else None
        try:
            moments = pc.cast(texts, pa.timestamp("us", zone))
        except pa.ArrowInvalid as error:
            raise SettingsError(
                Code.E_TIME,
                f"{self._table}: a date or time is not in the calendar",
                found=f"among rows {self._rows - len(texts) + 1} to {self._rows}",
                fix="Mend or remove dates such as 31 February, and times such as 25:00.",
            ) from error
        naive: npt.NDArray[np.datetime64] = pc.cast(moments, pa.timestamp("us")).to_numpy(
            zero_copy_only=False
        )
        return naive


def _shape(text: str) -> str:
    """Return a text with its digits hidden: the form of a time, not when something happened."""
    return repr(re.sub(r"\d", "9", text[:40]))
