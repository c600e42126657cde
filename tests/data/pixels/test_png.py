import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.pixels import png
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image, read_image

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


@pytest.fixture(params=["isal", "zlib"])
def inflate(request, monkeypatch):
    """Both libraries that unpack pixels."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal")
    png._find_inflate.cache_clear()
    yield
    png._find_inflate.cache_clear()


def _encode(pixels, mode, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG", **options)
    return file.getvalue()


def _draw(rng, mode, size_HW):
    """Noise on a slope: filters of every kind pay, and the file stays large."""
    height, width = size_HW
    slope_HW = np.add.outer(np.arange(height), 2 * np.arange(width))[..., None]
    noise_HW3 = rng.integers(0, 40, (height, width, 3))
    if mode == "I;16":
        return np.uint16(slope_HW[..., 0] * 50 + noise_HW3[..., 0] * 999)
    return np.uint8((slope_HW + noise_HW3) % 256)


def _chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def test_a_picture_of_3_x_2_pixels_by_hand(tmp_path):
    path = tmp_path / "a.png"
    rows = b"\x00\x01\x02\x03\x0a\x14\x1e" + b"\x02\x01\x01\x01\x01\x01\x01" + b"\x01" * 7
    head = struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0)
    parts = [("IHDR", head), ("IDAT", zlib.compress(rows)), ("IEND", b"")]
    path.write_bytes(png.SIGNATURE + b"".join(_chunk(k.encode(), c) for k, c in parts))
    expected = [[[1, 2, 3], [10, 20, 30]], [[2, 3, 4], [11, 21, 31]], [[1, 1, 1], [2, 2, 2]]]
    assert read_image(path).tolist() == expected


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_those_that_pillow_reads(tmp_path, mode):
    rng = np.random.default_rng(0)
    for size_HW in ((1, 1), (37, 300), (300, 401)):
        path = tmp_path / "a.png"
        content = _encode(_draw(rng, mode, size_HW), mode)
        path.write_bytes(content)
        stored = np.asarray(Image.open(io.BytesIO(content)))
        if mode == "LA":
            stored = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
        assert (open_image(path).read_stored() == stored).all()
        if mode in ("L", "RGB", "RGBA"):
            shown = stored.reshape(*size_HW, -1)[..., :3]
            assert (read_image(path) == shown).all()


@pytest.mark.usefixtures("inflate")
def test_a_large_file_is_unpacked_once_and_pixels_too_many_or_too_few_are_damage(tmp_path):
    path, rng = tmp_path / "a.png", np.random.default_rng(1)
    rows = rng.integers(0, 256, (400, 1 + 3 * 400), np.uint8)
    rows[:, 0] = 4
    head = struct.pack(">IIBBBBB", 400, 400, 8, 2, 0, 0, 0)

    def write(pixels):
        parts = [("IHDR", head), ("IDAT", zlib.compress(pixels)), ("IEND", b"")]
        path.write_bytes(png.SIGNATURE + b"".join(_chunk(k.encode(), c) for k, c in parts))

    write(rows.tobytes())
    assert png.require_sound_png(ImageRef(path)).stored is not None
    write(rows.tobytes() + b"x")
    with pytest.raises(DataError, match="unpack to more than 480,400 bytes"):
        read_image(path)
    write(rows.tobytes()[:-2000])
    with pytest.raises(DataError, match=r"a\.png"):
        read_image(path)


def test_an_animation_shows_its_default_image(tmp_path):
    rng = np.random.default_rng(2)
    frames = [Image.fromarray(_draw(rng, "RGB", (200, 200))) for _ in range(2)]
    path = tmp_path / "a.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], default_image=True)
    assert (read_image(path) == np.asarray(frames[0])).all()
