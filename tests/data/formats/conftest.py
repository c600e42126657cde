"""Damage to files of annotations: each is read, or refused once, soon and in little memory.

By default a hundred cases are drawn, the same on every run; `pytest --hypothesis-profile=fuzz`
draws 10,000 for each test.
"""

import re
import resource
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskwright.core.errors import MaskwrightError

MAX_S, MAX_KB = 10.0, 500_000
ABSURD = (b"-1", b"0", b"1e999", b"NaN", b"1000000000", b"9" * 40, b"-" + b"9" * 19, b"../..")
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")


@pytest.fixture
def fuzz():
    """A function: call `read(damaged)` for many damages of `content`.

    It may return or refuse with one message; it may not take a second or half a gigabyte.
    """

    def run(content, read):
        @settings(suppress_health_check=list(HealthCheck))
        @given(damaged(content))
        def every(case):
            judge(lambda: read(case))

        every()

    return run


@st.composite
def damaged(draw, content):
    """`content` cut short, with bytes changed, a piece doubled or lost, or an absurd number."""
    kind = draw(st.sampled_from(("cut", "byte", "number", "number", "double", "lose")))
    if kind == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if kind == "byte":
        changed = bytearray(content)
        for _ in range(draw(st.integers(1, 3))):
            changed[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        return bytes(changed)
    if kind == "number" and (found := list(_NUMBER.finditer(content))):
        start, end = draw(st.sampled_from(found)).span()
        return content[:start] + draw(st.sampled_from(ABSURD)) + content[end:]
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 400)))
    return content[:start] + content[start:end] * (2 * (kind == "double")) + content[end:]


def judge(read):
    """Call `read` and measure; a refusal says something."""
    began_s, before_kb, said = time.thread_time(), _peak_kb(), "read"
    try:
        read()
    except MaskwrightError as error:
        said = str(error)
    assert said.strip()
    assert time.thread_time() - began_s < MAX_S
    assert _peak_kb() - before_kb < MAX_KB


def _peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
