"""Placeholder."""

from medpipe.core.findings import Value


class LogitCalibration(Value):
    """Placeholder."""

    slope: float
    offset: float
