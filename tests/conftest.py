"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "short",
    max_examples=25,
    deadline=None,
    derandomize=True,  # the same examples each time; make test-all draws new ones
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("MEDPIPE_HYPOTHESIS", "short"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real test data, or skip."""
    named = os.environ.get("MEDPIPE_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set MEDPIPE_TEST_DATA)")
    return folder
