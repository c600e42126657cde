"""The slowness of a machine follows its load, over a time and not at a moment."""

import pytest

from maskwright.training.machine import REFERENCE_S, start_slowness


@pytest.mark.parametrize(
    ("passed_s", "work_s", "slowness"),
    [
        (2.0, REFERENCE_S, 1.0),  # idle
        (20.0, REFERENCE_S, 10.0),  # a tenth of the processor
        (20.0, 2 * REFERENCE_S, 20.0),  # of a slower one
        (1.0, REFERENCE_S, 1.0),  # several threads at work
        (2.0, 0.1 * REFERENCE_S, 0.5),  # the least that is believed
    ],
)
def test_slowness_is_that_of_the_processor_times_the_load(passed_s, work_s, slowness):
    clock = iter([100.0, 100.0 + passed_s])
    cpu_clock = iter([5.0, 6.0, 6.0 + work_s, 7.0])
    measure = start_slowness(clock.__next__, cpu_clock.__next__)
    assert measure() == pytest.approx(slowness)
