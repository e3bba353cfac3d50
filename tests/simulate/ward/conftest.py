"""Five hundred simulated stays, made once."""

import pytest

from medpipe.simulate.ward.stays import WardStay, simulated_stay

NUM_STAYS = 500


@pytest.fixture(scope="session")
def stays() -> list[WardStay]:
    return [simulated_stay(seed) for seed in range(NUM_STAYS)]
