"""Rasters as rasterio writes them: values, windows and validity equal what rasterio reads."""

import sys

import numpy as np
import pytest

from maskwright.core.errors import DataError, MissingDependencyError
from maskwright.data.pixels.images import open_image

rasterio = pytest.importorskip("rasterio")
pytest.importorskip("imagecodecs")

CRS, TRANSFORM = "EPSG:32633", (10.0, 0.0, 5e5, 0.0, -10.0, 5e6)
WINDOW = np.s_[13:70, 40:91]


def write(path, bands_CHW, *, mask_HW=None, overviews=False, **options):
    """Write bands as a GeoTIFF, or as what `driver` names."""
    count, height, width = bands_CHW.shape
    profile = {
        "driver": "GTiff",
        "crs": CRS,
        "transform": rasterio.Affine(*TRANSFORM),
    } | options
    profile |= {"count": count, "height": height, "width": width, "dtype": bands_CHW.dtype}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile) as raster,
    ):
        raster.write(bands_CHW)
        if mask_HW is not None:
            raster.write_mask(mask_HW)
        if overviews:
            raster.build_overviews([2])
    return path


def noise(count, dtype, top=250, size=(90, 100)):
    rng = np.random.default_rng(0)
    return rng.integers(1, top, (count, *size)).astype(dtype)


def holes(bands_CHW, value):
    bands_CHW[:, :20, :30] = value
    return bands_CHW


TILED = {"tiled": True, "blockxsize": 32, "blockysize": 32}
CASES = {
    "rgb": (noise(3, "uint8"), {"photometric": "RGB"}),
    "near infrared": (noise(4, "uint8"), {"photometric": "RGB", "alpha": "NO"}),
    "four grey": (noise(4, "uint8"), {"photometric": "MINISBLACK"}),
    "13 bands": (holes(noise(13, "uint16", 9999), 0), {"nodata": 0, "interleave": "band"}),
    "13 bands in tiles": (noise(13, "uint16", 9999), {"interleave": "band", **TILED}),
    "20 bands": (noise(20, "uint16", 9999), {"interleave": "pixel", **TILED}),
    "int16": (holes(noise(3, "int16") - 100, -9999), {"nodata": -9999}),
    "int8": (noise(2, "int8", 120), {}),
    "int32": (noise(2, "int32", 1 << 24), {"compress": "deflate", "predictor": 2}),
    "float32": (holes(noise(2, "float32") / 7, np.nan), {"nodata": "nan", "predictor": 3}),
    "deflate": (noise(2, "float32") / 7, {"compress": "deflate", "predictor": 3}),
    "float64": (noise(1, "float64"), {}),
    "lowest float": (holes(noise(1, "float32"), -3.4e38), {"nodata": -3.4e38}),
    "zstd": (noise(3, "uint16", 9999), {"compress": "zstd", **TILED}),
    "zstd, 8 bits": (noise(5, "uint8"), {"compress": "zstd", "predictor": 2}),
    "lzw": (noise(4, "uint16", 9999), {"compress": "lzw", "predictor": 2}),
    "packbits": (noise(5, "uint8"), {"compress": "packbits"}),
    "lzma": (noise(2, "uint8"), {"compress": "lzma"}),
    "lerc": (noise(2, "float32"), {"compress": "lerc"}),
    "lerc and zstd": (noise(2, "uint16"), {"compress": "lerc_zstd", **TILED}),
    "webp": (noise(3, "uint8"), {"compress": "webp", "WEBP_LOSSLESS": "YES"}),
    "webp in tiles": (noise(3, "uint8"), {"compress": "webp", "WEBP_LOSSLESS": "YES", **TILED}),
    "jpeg": (noise(4, "uint8"), {"compress": "jpeg", "photometric": "MINISBLACK"}),
    "12 bits": (noise(2, "uint16", 4000), {"nbits": 12}),
    "bigtiff": (noise(2, "uint8"), {"bigtiff": "YES"}),
    "overviews": (noise(3, "uint8"), {"overviews": True, **TILED}),
    "cloud optimised": (noise(4, "uint16", 9999), {"driver": "COG"}),
    "lossless jp2": (noise(2, "uint16", 9999), {"driver": "JP2OpenJPEG", "QUALITY": "100",
                                                "REVERSIBLE": "YES"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_windows_equal_those_of_rasterio(tmp_path, name):
    bands_CHW, options = CASES[name]
    suffix = "jp2" if options.get("driver") == "JP2OpenJPEG" else "tif"
    path = write(tmp_path / f"a.{suffix}", bands_CHW, **options)
    with rasterio.open(path) as raster:
        expected_HWC, mask_HW = raster.read().transpose(1, 2, 0), raster.dataset_mask()
    image = open_image(path)
    image_HWC, valid_HW = image.read_data()
    np.testing.assert_array_equal(image_HWC, expected_HWC)
    assert image.kind == (image_HWC.shape[2], str(image_HWC.dtype))
    assert image.size_HW == image_HWC.shape[:2]
    assert (image.placement.affine, image.placement.epsg) == (TRANSFORM, 32633)
    has_data = np.ones_like(mask_HW, bool) if valid_HW is None else valid_HW
    np.testing.assert_array_equal(has_data, mask_HW != 0)
    part_HWC, part_valid_HW = image.read_data(WINDOW)
    np.testing.assert_array_equal(part_HWC, image_HWC[WINDOW])
    if part_valid_HW is not None:
        np.testing.assert_array_equal(part_valid_HW, valid_HW[WINDOW])
    assert image.may_lack_data or valid_HW is None


@pytest.mark.parametrize(
    "name", ["webp in tiles", "zstd", "jpeg", "lerc and zstd", "overviews"]
)
def test_a_window_decodes_no_more_than_it_needs(tmp_path, name, monkeypatch):
    bands_CHW, options = CASES[name]
    image = open_image(write(tmp_path / "a.tif", bands_CHW, **options))
    expected_HWC = image.read()[WINDOW]
    forbid_whole(monkeypatch)
    assert image.reads_windows
    np.testing.assert_array_equal(image.read(WINDOW), expected_HWC)


def forbid_whole(monkeypatch):
    def read_tiff(*_):
        raise AssertionError("the whole image was decoded")

    monkeypatch.setattr("maskwright.data.pixels.readers.tiff.read_tiff", read_tiff)
    monkeypatch.setattr("maskwright.data.pixels.tiff._read_page", read_tiff)


@pytest.mark.parametrize("layout", [TILED, {}, {"driver": "COG", "blocksize": 128}])
@pytest.mark.parametrize("photometric", ["YCBCR", "RGB", "MINISBLACK"])
def test_windows_of_jpeg_are_those_of_the_decoded_image(
    tmp_path, photometric, layout, monkeypatch
):
    count = 1 if photometric == "MINISBLACK" else 3
    is_cog = layout.get("driver") == "COG"
    colors = {} if is_cog else {"photometric": photometric}
    row_HW, column_HW = np.indices((90, 100))
    bands_CHW = np.stack([row_HW, 2 * column_HW, row_HW + column_HW]).astype(np.uint8)[:count]
    path = write(
        tmp_path / "a.tif", bands_CHW, mask_HW=MASK, compress="jpeg", **layout, **colors
    )
    image = open_image(path)
    image_HWC, valid_HW = image.read_data()
    forbid_whole(monkeypatch)
    assert image.reads_windows
    part_HWC, part_valid_HW = image.read_data(WINDOW)
    np.testing.assert_array_equal(part_HWC, image_HWC[WINDOW])
    np.testing.assert_array_equal(part_valid_HW, valid_HW[WINDOW])
    assert abs(part_HWC.astype(int) - bands_CHW.transpose(1, 2, 0)[WINDOW]).max() < 9


def test_a_jpeg_larger_than_its_tile_is_refused(tmp_path):
    path = write(
        tmp_path / "a.tif", noise(3, "uint8"), compress="jpeg", photometric="RGB", **TILED
    )
    content = path.read_bytes()
    size = (32).to_bytes(2, "big") * 2
    assert content.count(b"\x08" + size + b"\x03") == 12
    path.write_bytes(content.replace(b"\x08" + size + b"\x03", b"\x08\xff\xf0\xff\xf0\x03"))
    with pytest.raises(
        DataError, match=r"a JPEG of 65,520 x 65,520 px in a strip or tile of 32"
    ):
        open_image(path).read(WINDOW)


def test_a_raster_larger_than_its_limit_as_a_whole_is_read_in_windows(tmp_path, monkeypatch):
    bands_CHW = noise(3, "uint16", 9999)
    write(tmp_path / "a.tif", bands_CHW)
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><SimpleSource><SourceFilename '
        f'relativeToVRT="1">a.tif</SourceFilename><SourceBand>{n}</SourceBand></SimpleSource>'
        f"</VRTRasterBand>"
        for n in (1, 2, 3)
    )
    virtual = tmp_path / "a.vrt"
    virtual.write_text(f'<VRTDataset rasterXSize="100" rasterYSize="90">{bands}</VRTDataset>')
    monkeypatch.setattr("maskwright.data.pixels.gdal._MAX_BYTES", 90 * 100 * 6 - 1)
    image = open_image(virtual)
    expected_HWC = bands_CHW.transpose(1, 2, 0)
    np.testing.assert_array_equal(image.read(WINDOW), expected_HWC[WINDOW])
    with pytest.raises(DataError, match=r"a\.vrt: declares 9,000 pixels"):
        image.read()


MASK = np.full((90, 100), 255, np.uint8)
MASK[:40] = 0
ALPHA = np.where(MASK, np.uint8(90), np.uint8(0))


@pytest.mark.parametrize("options", [{}, {"overviews": True, **TILED}, {"compress": "deflate"}])
def test_an_internal_mask_is_validity(tmp_path, options):
    bands_CHW = noise(3, "uint8")
    path = write(tmp_path / "a.tif", bands_CHW, mask_HW=MASK, photometric="RGB", **options)
    image = open_image(path)
    image_HWC, valid_HW = image.read_data()
    np.testing.assert_array_equal(image_HWC, bands_CHW.transpose(1, 2, 0))
    np.testing.assert_array_equal(valid_HW, MASK > 0)
    np.testing.assert_array_equal(image.read_data(WINDOW).valid_HW, MASK[WINDOW] > 0)
    assert (image.num_pages, image.may_lack_data) == (1, True)


def test_a_mask_beside_the_file_is_validity(tmp_path):
    path = tmp_path / "a.tif"
    write(path, noise(3, "uint8"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as raster:
        raster.write_mask(MASK)
    assert path.with_name("a.tif.msk").is_file()
    np.testing.assert_array_equal(open_image(path).read_valid(), MASK > 0)


@pytest.mark.parametrize("alpha", ["YES", "PREMULTIPLIED"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha_is_validity_and_changes_no_value(tmp_path, alpha, dtype):
    bands_CHW = noise(4, dtype)
    bands_CHW[3] = ALPHA
    path = write(tmp_path / "a.tif", bands_CHW, photometric="RGB", alpha=alpha)
    image_HWC, valid_HW = open_image(path).read_data()
    np.testing.assert_array_equal(image_HWC, bands_CHW[:3].transpose(1, 2, 0))
    np.testing.assert_array_equal(valid_HW, MASK > 0)
    assert open_image(path).kind == (3, dtype)


def test_nodata_that_is_also_a_measurement_counts_where_all_bands_have_it(tmp_path):
    bands_CHW = np.array([[[0, 0, 5]], [[0, 7, 5]]], np.uint16)
    path = write(tmp_path / "a.tif", bands_CHW, nodata=0)
    assert open_image(path).read_valid().tolist() == [[False, True, True]]
    path = write(tmp_path / "b.tif", bands_CHW.astype(np.int16) * -9999, nodata=0)
    assert open_image(path).read_valid().tolist() == [[False, True, True]]
    path = write(tmp_path / "c.tif", np.array([[[-1, 3]], [[3, 3]]], np.int16), nodata=-1)
    assert open_image(path).read_valid().tolist() == [[False, True]]


def test_integers_that_float32_cannot_hold_are_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.full((1, 4, 4), (1 << 24) + 1, np.int32))
    with pytest.raises(DataError, match="float32 holds up to 16,777,216 exactly"):
        open_image(path).read()


VRT = """<VRTDataset rasterXSize="100" rasterYSize="90">
<SRS>EPSG:32633</SRS><GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>
<VRTRasterBand dataType="{dtype}" band="1"{more}><NoDataValue>0</NoDataValue>
<SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename>
<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""


def write_vrt(folder, source, *, more=""):
    path = folder / "a.vrt"
    path.write_text(VRT.format(dtype="UInt16", source=source, more=more))
    return path


def test_a_virtual_raster_is_read_with_its_place(tmp_path):
    bands_CHW = holes(noise(1, "uint16", 9999), 0)
    write(tmp_path / "b.tif", bands_CHW)
    image = open_image(write_vrt(tmp_path, "b.tif"))
    image_HWC, valid_HW = image.read_data()
    np.testing.assert_array_equal(image_HWC[..., 0], bands_CHW[0])
    np.testing.assert_array_equal(valid_HW, bands_CHW[0] != 0)
    assert (image.placement.affine, image.placement.epsg) == (TRANSFORM, 32633)


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("../b.tif", "", "lies outside of the folder"),
        ("/etc/hostname", "", "lies outside of the folder"),
        ("/vsicurl/http://127.0.0.1:1/b.tif", "", "lies outside of the folder"),
        ("b.txt", "", "not a TIFF, JPEG 2000, PNG or JPEG"),
        ("b.tif", ' subClass="VRTDerivedRasterBand"', "computes its pixels"),
    ],
)
def test_a_virtual_raster_reaches_no_other_file(tmp_path, source, more, message):
    folder = tmp_path / "images"
    folder.mkdir()
    for place in (tmp_path, folder):
        write(place / "b.tif", noise(1, "uint16"))
    (folder / "b.txt").write_text("<VRTDataset/>")
    with pytest.raises(DataError, match=message):
        open_image(write_vrt(folder, source, more=more)).read()


def test_damaged_rasters_are_named(tmp_path):
    path = write(tmp_path / "a.jp2", noise(1, "uint8"), driver="JP2OpenJPEG")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"a\.jp2: the image is cut short or damaged"):
        open_image(path).read()
    path = tmp_path / "b.vrt"
    path.write_text('<VRTDataset rasterXSize="10"')
    with pytest.raises(DataError, match=r"b\.vrt: the image is cut short or damaged"):
        open_image(path).read()
    path.write_text(VRT.format(dtype="UInt16", source="a.jp2", more="").replace("100", "9" * 6))
    path.write_text(path.read_text().replace('"90"', '"999999"'))
    with pytest.raises(DataError, match="declares"):
        open_image(path).read()


def test_without_the_extra_the_pip_command_is_given(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jp2", noise(1, "uint16"), driver="JP2OpenJPEG")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'maskwright\[geo\]'"):
        open_image(path).read()
