"""The code stays within the limits of scripts/house.py."""

from __future__ import annotations

import pytest

from scripts.house import measurements


@pytest.mark.parametrize("measurement", measurements(), ids=lambda measurement: measurement.name)
def test_measurement_is_within_its_limit(measurement):
    assert measurement.value <= measurement.limit, measurement.places
