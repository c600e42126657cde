"""Small folders of data, written from a dictionary of paths."""

import os

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write(tmp_path):
    """A function: write {relative path: array, bytes or text}; gives back the folder."""

    def write_all(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                Image.fromarray(np.asarray(content)).save(path)
        return tmp_path

    return write_all


@pytest.fixture
def pairs():
    """A function: files of `count` images with distinct looks and masks with `values`."""

    def make(count, *, values=(0, 1), split="", size=(12, 16), first=0):
        files = {}
        for number in range(first, first + count):
            rng = np.random.default_rng(number)
            coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
            image = np.array(
                Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
            )
            labels = np.repeat(np.array(values, np.uint8), -(-size[0] * size[1] // len(values)))
            name = f"{split}/im{number:02d}.png" if split else f"im{number:02d}.png"
            files[f"images/{name}"] = image
            files[f"masks/{name}"] = labels[: size[0] * size[1]].reshape(size)
        return files

    return make


TEAM = "classes: [{name: back}, {name: leaf}]\nannotators: [anna, ben]\n"


@pytest.fixture
def team(write, pairs):
    """A function: six images, all drawn by anna, all but the first by ben; changed so."""

    def make(changes=None, *, yaml=TEAM):
        files = {"dataset.yaml": yaml}
        good = pairs(4, split="train") | pairs(2, split="val", first=4)
        for name, content in good.items():
            files[name.replace("masks/", "anna/")] = content
            if name.startswith("masks/") and "im00" not in name:
                files[name.replace("masks/", "ben/")] = content
        return write(files | (changes or {}))

    return make


@pytest.fixture
def read_only():
    """A function: take the write bits off a folder until the test ends."""
    folders = []

    def close(folder):
        folder.chmod(0o555)
        folders.append(folder)
        return folder

    yield close
    for folder in folders:
        os.chmod(folder, 0o755)  # noqa: PTH101 - the folder may be gone
