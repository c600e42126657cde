"""InputSpec: images of other channels are refused, or converted where the spec says so."""

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.inputspec import InputSpec


def make_spec(channels, **settings):
    return InputSpec(
        channels=channels, mean=(0.5,) * channels, std=(0.2,) * channels, **settings
    )


def test_without_the_switch_other_channels_are_refused_by_name():
    with pytest.raises(DataError, match=r"a\.png: image has 3 channels, the model takes 1"):
        make_spec(1).prepare(np.zeros((2, 2, 3), np.uint8), where="a.png")


@pytest.mark.parametrize("switch", [False, True])
def test_grey_is_repeated_and_rgb_becomes_its_luma(switch):
    to_rgb = make_spec(3, convert_channels=switch)
    to_grey = make_spec(1, convert_channels=True)
    grey, rgb = np.array([[[7]]], np.uint8), np.array([[[255, 0, 100]]], np.uint8)
    assert to_rgb.prepare(grey, where="a").tolist() == [[[7, 7, 7]]]
    # 0.299 * 255 + 0.114 * 100 = 87.6
    assert to_grey.prepare(rgb, where="a").tolist() == [[[88]]]
    assert to_grey.prepare(grey, where="a") is grey


def test_bits_and_other_channels_are_never_converted():
    spec = make_spec(3, convert_channels=True)
    with pytest.raises(DataError, match=r"a\.tif: image holds uint16, the model takes uint8"):
        spec.prepare(np.zeros((2, 2, 1), np.uint16), where="a.tif")
    with pytest.raises(DataError, match=r"a\.tif: image has 4 channels, the model takes 3"):
        spec.prepare(np.zeros((2, 2, 4), np.uint8), where="a.tif")
    with pytest.raises(DataError, match=r"a\.tif: image has 5 channels"):
        spec.prepare(np.zeros((2, 2, 5), np.uint8), where="a.tif")
    with pytest.raises(ConfigError, match="converted to 1 or 3 channels, got 4"):
        make_spec(4, convert_channels=True)


def test_the_switch_survives_json_and_is_off_in_older_documents():
    spec = make_spec(3, convert_channels=True)
    assert InputSpec.from_json(spec.to_json()) == spec
    older = {k: v for k, v in spec.to_json().items() if k != "convert_channels"}
    assert not InputSpec.from_json(older).convert_channels
