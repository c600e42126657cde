"""Windows: sums of observations."""

import math

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.monitoring.window import FAILED, FigureSum, Moments, Window, add_windows


def _draw(rng, num):
    return [
        Window.of_image(
            {"classes": {"road": float(rng.random()), "car": float(rng.random())}},
            float(rng.lognormal(-2, 1)),
        )
        for _ in range(num)
    ]


def test_one_image_by_hand():
    window = Window.of_image({"classes": {"road": 0.5}}, 0.003) + FAILED
    assert (window.num, window.failed) == (1, 1)
    assert window.sums == {"classes": {"road": Moments(0.5, 0.25)}}
    assert window.bins == {7: 1}  # from 1 ms x 2 ** (6 / 4) to 2 ** (7 / 4)
    assert window.average("classes") == {"road": 0.5}
    assert window.find_quantile(0.5) == pytest.approx(0.003, rel=0.1)


def test_the_sum_of_two_halves_is_the_whole():
    windows = _draw(np.random.default_rng(0), 40)
    whole, halves = add_windows(windows), add_windows(windows[:13]) + add_windows(windows[13:])
    assert (whole.num, whole.bins) == (halves.num, halves.bins)
    assert whole.average("classes") == pytest.approx(halves.average("classes"))
    assert Window.from_json(whole.to_json(), where="x") == whole


def test_histograms_are_averaged_and_figures_over_the_images_where_they_are_known():
    first = Window.of_image({}, 0.1, levels={"red": [1, 0]}, figures={"gap": None, "area": 3.0})
    second = Window.of_image({}, 0.1, levels={"red": [0.5, 0.5]}, figures={"gap": 7.0})
    window = Window.from_json((first + second + FAILED).to_json(), where="x")
    assert window.average_levels() == {"red": [0.75, 0.25]}
    assert (window.figures["gap"].mean, window.figures["area"].mean) == (7, 3)
    assert math.isnan(FigureSum(0, 0.0).mean)


def test_a_window_of_a_server_of_before_has_neither_histograms_nor_figures():
    document = Window.of_image({"classes": {"road": 0.5}}, 0.1).to_json()
    old = {name: each for name, each in document.items() if name not in ("levels", "figures")}
    window = Window.from_json(old, where="x")
    assert (window.num, window.average_levels(), window.figures) == (1, {}, {})


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_quantiles_are_those_of_the_seconds_up_to_a_bin(share):
    seconds = np.random.default_rng(1).lognormal(-2, 1, 500)
    window = add_windows(Window.of_image({}, float(s)) for s in seconds)
    exact = np.quantile(seconds, share, method="inverted_cdf")
    assert window.find_quantile(share) == pytest.approx(exact, rel=0.1)


def test_a_window_of_no_images_has_no_numbers():
    assert Window().average("classes") == {}
    assert math.isnan(Window().find_quantile(0.5))


def test_another_document_is_refused():
    with pytest.raises(DataError, match="there: not a window of observations"):
        Window.from_json({"schema_version": 1, "num": "x"}, where="there")
