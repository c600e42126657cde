"""The page on accuracy shows what the benchmark wrote, and the benchmark what the code does."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from shape_errors import GAP_FIGURE, REGION_FIGURES, THIN_FIGURES, Figure, errors, poses

from maskwright.data.georef.pixel_scale import PixelSize

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/howto/measure-accuracy.md"
FIGURES = (*REGION_FIGURES, GAP_FIGURE, *THIN_FIGURES)


@pytest.mark.parametrize("table", ["shapes", "times"])
def test_the_page_shows_lines_of_the_benchmark(table):
    shown = re.search(
        rf"<!-- {table}: begin -->\n(.*?)<!-- {table}: end -->", PAGE.read_text(), re.DOTALL
    )
    written = (ROOT / "benchmarks/shapes.md").read_text().splitlines()
    assert shown
    assert shown[1].strip()
    assert all(line in written for line in shown[1].strip().splitlines())


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_the_benchmark_shows_the_errors_of_this_code(figure):
    """One shape a figure, at all turns; the benchmark has all shapes."""
    shape = figure.on[min(1, len(figure.on) - 1)]
    own = {"maskwright": figure.methods["maskwright"]}
    ours = Figure(figure.name, figure.unit, figure.truth, figure.on, own)
    measured = np.array([errors(ours, drawn) for drawn in poses(shape, PixelSize.pixels())])
    written = json.loads((ROOT / "benchmarks/shapes.json").read_text())
    bias, mean, worst = written["errors"][figure.name]["shapes"][shape.name]["maskwright"]
    assert measured.mean() == pytest.approx(bias, abs=0.01)
    assert np.abs(measured).mean() == pytest.approx(mean, abs=0.01)
    assert np.abs(measured).max() == pytest.approx(worst, abs=0.01)
