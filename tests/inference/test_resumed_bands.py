"""A large image that was interrupted goes on with its next band, to the same bytes."""

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import OutputError
from maskwright.core.journal import BEGUN
from maskwright.core.results import WriteMode
from maskwright.inference.engine import Engine
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling

ONE_BY_ONE = Tiling(tile=(128, 160), overlap=64, max_memory=1)
"""Tiles, each a call of the engine."""

RESUME = WriteMode(resume=True)
KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
PLACE = [
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 500_000.0, 4_600_000.0, 0.0), True),
    (34735, "H", len(KEYS), KEYS, True),
]


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "bundle").root


def draw(seed=0, size_HW=(401, 330)):
    """Squares of the values 0 to 3 that the painted network calls classes 0 to 3."""
    small = np.random.default_rng(seed).integers(0, 4, (-(-size_HW[0] // 7), size_HW[1]))
    image_HW = small.repeat(7, axis=0)[: size_HW[0]].astype(np.uint8)
    return np.repeat(image_HW[..., None], 3, axis=2)


def write_images(folder):
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", draw(), tile=(64, 64), extratags=PLACE)
    Image.fromarray(draw(1)).save(folder / "b.png")
    return folder


class Failing:
    """An engine that fails at one call, and counts its tiles."""

    def __init__(self, engine, call, error):
        self.engine, self.call, self.error, self.calls = engine, call, error, 0

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def __call__(self, x_BCHW):
        self.calls += 1
        if self.calls == self.call:
            raise self.error
        return self.engine(x_BCHW)

    run = Engine.run


def read_all(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("call", [2, 9, 17, 24, 35])
def test_an_interrupted_image_ends_with_the_same_bytes(bundle, tmp_path, call):
    images = write_images(tmp_path / "images")
    model = replace(open_model(bundle), tiling=ONE_BY_ONE)
    num_tiles = Failing(model.engine, 0, None)
    predict(replace(model, engine=num_tiles), [images], tmp_path / "whole")
    failing = Failing(model.engine, call, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        predict(replace(model, engine=failing), [images], tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    partial = tmp_path / "cut.partial"
    if call == 2:
        assert not partial.exists()  # not even a band was done
        return
    with pytest.raises(OutputError, match=r"interrupted predict left .*; continue it with"):
        predict(model, [images], tmp_path / "cut")
    rest = Failing(model.engine, 0, None)
    predict(replace(model, engine=rest), [images], tmp_path / "cut", mode=RESUME)
    assert read_all(tmp_path / "cut") == read_all(tmp_path / "whole")
    assert not (tmp_path / "cut" / BEGUN).exists()
    num_across = 3
    finished = (call - 1) // num_across * num_across
    assert rest.calls == num_tiles.calls - finished


def test_a_killed_process_has_lost_the_bands_at_work_alone(bundle, tmp_path):
    images = write_images(tmp_path / "images")
    code = f"""
        import os, signal
        from dataclasses import replace
        from maskwright.inference.predict import predict
        from maskwright.inference.predictor import open_model
        from maskwright.inference.tiling import Tiling

        model = open_model({str(bundle)!r})
        run, calls = type(model.engine).__call__, []

        def die(self, x_BCHW):
            calls.append(1)
            if len(calls) == 15:
                os.kill(os.getpid(), signal.SIGKILL)
            return run(self, x_BCHW)

        type(model.engine).__call__ = die
        tiling = Tiling(tile=(128, 160), overlap=64, max_memory=1)
        predict(replace(model, tiling=tiling), [{str(images)!r}], {str(tmp_path / "cut")!r})
    """
    child = subprocess.run([sys.executable, "-c", dedent(code)], check=False)
    assert child.returncode == -signal.SIGKILL
    model = replace(open_model(bundle), tiling=ONE_BY_ONE)
    counted = Failing(model.engine, 0, None)
    predict(replace(model, engine=counted), [images], tmp_path / "cut", mode=RESUME)
    done = counted.calls
    predict(replace(model, engine=counted), [images], tmp_path / "whole")
    finished = (counted.calls - done) - done
    assert finished in (6, 9, 12)  # two bands may wait or be written where the fifth is run
    assert read_all(tmp_path / "cut") == read_all(tmp_path / "whole")


def test_another_image_of_the_same_name_is_begun_anew(bundle, tmp_path):
    images = write_images(tmp_path / "images")
    model = replace(open_model(bundle), tiling=ONE_BY_ONE)
    failing = Failing(model.engine, 9, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        predict(replace(model, engine=failing), [images], tmp_path / "cut")
    tifffile.imwrite(images / "a.tif", draw(7), tile=(64, 64), extratags=PLACE)
    predict(model, [images], tmp_path / "cut", mode=RESUME)
    predict(model, [images], tmp_path / "whole")
    assert read_all(tmp_path / "cut") == read_all(tmp_path / "whole")


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_files_beyond_the_limit_end_with_a_message_and_can_be_resumed(bundle, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 4, (1700, 330, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", noise, tile=(64, 64), extratags=PLACE)
    model = replace(open_model(bundle), tiling=ONE_BY_ONE)
    predict(model, [tmp_path / "a.tif"], tmp_path / "whole")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (480_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write: the file is larger than"):
            predict(model, [tmp_path / "a.tif"], tmp_path / "cut")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "cut").exists()
    assert not list(tmp_path.glob("cut.partial/*/a.*"))
    predict(model, [tmp_path / "a.tif"], tmp_path / "cut", mode=RESUME)
    assert read_all(tmp_path / "cut") == read_all(tmp_path / "whole")
