"""Words of a stay: names of variables, hours, risks and lead times as people read them."""

from math import floor
from typing import Final

from medpipe.core.trajectory import StayTrajectory
from medpipe.reports.numbers import NARROW_SPACE, format_number

_NAMES: Final = {
    "c_reactive_protein": "C-reactive protein",
    "creatine_kinase_mb": "Creatine kinase MB",
    "inr": "INR",
    "ph": "pH",
    "troponin_t": "Troponin T",
}
"""Variables whose name is more than a capital letter and spaces."""

_DAY_H: Final = 24.0
_LEAST_SHOWN: Final = 0.001


def plain_name(variable: str) -> str:
    """Return the name of a variable for people, such as ``"Oxygen saturation"``."""
    words = variable.replace("_", " ").strip()
    return _NAMES.get(variable, words[:1].upper() + words[1:])


def format_hours(hours: float) -> str:
    """Return a length of time, such as ``"54 h"``."""
    return f"{format_number(round(hours, 1))}{NARROW_SPACE}h"


def day_of(hours: float) -> str:
    """Return the day of the stay, the first is 1."""
    return f"day {floor(hours / _DAY_H) + 1}"


def format_risk(risk: float | None) -> str:
    """Return a risk in percent; a dash where it is not known, no 0 or 100 where it is neither."""
    if risk is None:
        return "–"
    if 0.0 < risk < _LEAST_SHOWN:
        return f"<{100 * _LEAST_SHOWN:g}{NARROW_SPACE}%"
    if 1.0 - _LEAST_SHOWN < risk < 1.0:
        return f">{100 * (1 - _LEAST_SHOWN):g}{NARROW_SPACE}%"
    return f"{100 * risk:.1f}{NARROW_SPACE}%"


def lead_words(trajectory: StayTrajectory, hour: float) -> tuple[str, str]:
    """Return how long before the next known injury an alert came, and what that means.

    Args:
        trajectory: Of the stay.
        hour: Of the alert, on the clock of the record.
    """
    coming = [onset for onset in trajectory.onsets if onset.hour > hour]
    if not coming:
        if trajectory.onsets:
            return "–", f"after the injury at {format_hours(trajectory.onsets[-1].hour - trajectory.start_h)}"
        return "–", "no injury known"
    lead_h = coming[0].hour - hour
    horizon = format_hours(trajectory.alert_horizon_h)
    is_in_time = lead_h <= trajectory.alert_horizon_h
    return format_hours(
        lead_h
    ), f"{'within' if is_in_time else 'more than'} {horizon} before stage {coming[0].stage}"
