import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError, OutputError
from maskwright.core.results import WriteMode, read_manifest
from maskwright.measurement.measure import measure
from maskwright.measurement.series import MeasureOptions

from ..data.georef.geotiffs import write_geotiff

EVERYTHING = {"regions": ("crop",), "gaps": (("crop", "weed"),), "thin": ("weed",)}


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def roi(path, **rings):
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for name, ring in rings.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def season(write_maps, field):
    return write_maps("season", {"may": field(10), "june": field(12), "july": field(14)})


def test_every_table_of_a_series_in_mm(season, tmp_path, write_maps, field):
    before = write_maps("before", {"may": field(10), "june": field(10), "july": field(10)})
    options = MeasureOptions(mm_per_px=0.5, before=before, **EVERYTHING)
    results = measure(season, options, out=tmp_path / "out")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        *("change.csv", "coverage.csv", "from_to.csv", "gaps.csv", "regions.csv", "thin.csv"),
        *("measurements.json", "regions.geojson", "report.html", "results.json"),
        *("overlay", "change", "legend.png"),
    }
    assert [line["image"] for line in table(out / "gaps.csv")] == ["july", "june", "may"]
    first = table(out / "coverage.csv")[1]
    assert (first["image"], first["class"], first["pixels"]) == ("july", "crop", "196")
    assert (float(first["area"]), first["area_unit"]) == (49.0, "mm2")
    (region,) = [line for line in table(out / "regions.csv") if line["image"] == "may"]
    assert (region["area"], region["width"], region["unit"]) == ("25", "5", "mm")
    (gap,) = [line for line in table(out / "gaps.csv") if line["image"] == "may"]
    assert (gap["distance"], gap["touches"], gap["unit"]) == ("9", "no", "mm")
    (thin,) = [line for line in table(out / "thin.csv") if line["image"] == "may"]
    assert float(thin["length"]) == pytest.approx(25, rel=0.03)
    assert float(thin["mean_width"]) == pytest.approx(2, rel=0.03)
    gained = {(c["image"], c["class"]): float(c["gained"]) for c in table(out / "change.csv")}
    assert gained["july", "crop"] == (196 - 100) / 4
    moves = [(m["before"], m["after"], m["pixels"]) for m in table(out / "from_to.csv")]
    assert ("soil", "crop", "96") in moves
    written = json.loads((out / "measurements.json").read_text())
    assert written == json.loads(json.dumps(results.to_json()))


def test_the_series_adds_up_its_images(season):
    document = measure(season, MeasureOptions(**EVERYTHING)).to_json()
    assert (document["num_images"], document["unit"], document["area_unit"]) == (3, "px", "px2")
    assert document["coverage"]["classes"]["crop"]["pixels"] == 100 + 144 + 196
    assert document["regions"]["crop"] == {
        "count": 3,
        "area": 440.0,
        "largest": 196.0,
        "largest_in": "july",
    }
    (gap,) = document["gaps"]
    assert (gap["smallest"], gap["smallest_in"], gap["num_touching"]) == (14.0, "july", 0)
    assert document["thin"]["weed"]["length"] == pytest.approx(150, rel=0.03)
    july = document["images"][0]
    assert july["percent"]["crop"] == pytest.approx(100 * 196 / 2400)
    assert july["regions"] == {"crop": {"count": 1, "area": 196.0, "largest": 196.0}}


def test_without_a_folder_nothing_is_written(season, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert measure(season, MeasureOptions(**EVERYTHING)).pictures == {}
    assert sorted(tmp_path.rglob("*")) == before


def test_overlays_have_the_size_of_the_map_and_show_the_figures(season, tmp_path):
    measure(season, MeasureOptions(**EVERYTHING), out=tmp_path / "out")
    drawn = np.asarray(Image.open(tmp_path / "out/overlay/may.png"))
    plain = np.asarray(Image.open(season / "may.png"))
    assert drawn.shape == (*plain.shape, 3)
    colors = {tuple(c) for c in drawn.reshape(-1, 3).tolist()}
    assert len(colors) > 3


def test_coverage_alone_writes_no_overlays(season, tmp_path):
    measure(season, out=tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *("coverage.csv", "measurements.json", "report.html", "results.json"),
    ]


def test_coverage_inside_regions_of_interest(season, tmp_path):
    path = roi(
        tmp_path / "roi.geojson",
        bed=[[0, 0], [20, 0], [20, 20], [0, 20]],
        aisle=[[0, 25], [60, 25], [60, 40], [0, 40]],
    )
    results = measure(season, MeasureOptions(roi=path), out=tmp_path / "out")
    assert results.to_json()["rois"]["bed"]["classes"]["crop"]["pixels"] == 440
    assert results.to_json()["rois"]["aisle"]["classes"]["crop"]["pixels"] == 0
    lines = [c for c in table(tmp_path / "out/coverage.csv") if c["roi"] == "bed"]
    assert len(lines) == 3 * 4
    assert (tmp_path / "out/overlay/may.png").exists()


def test_a_region_of_interest_outside_of_every_map_is_refused_and_leaves_nothing(
    season, tmp_path
):
    path = roi(tmp_path / "roi.geojson", far=[[100, 0], [120, 0], [120, 20]])
    with pytest.raises(
        DataError, match="'far' covers no pixel of any map; its coordinates are"
    ):
        measure(season, MeasureOptions(roi=path), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_georeferenced_maps_are_measured_and_outlined_on_the_ground(tmp_path, field):
    (tmp_path / "maps").mkdir()
    write_geotiff(tmp_path / "maps/a.tif", field(), scale=(0.5, 0.5), tie=(1000.0, 2000.0))
    (tmp_path / "maps/classes.txt").write_text("0 soil\n1 crop\n2 weed\n")
    results = measure(
        tmp_path / "maps", MeasureOptions(regions=("crop",)), out=tmp_path / "out"
    )
    assert (results.unit, results.to_json()["coverage"]["classes"]["crop"]["area"]) == ("m", 25)
    outlines = json.loads((tmp_path / "out/regions.geojson").read_text())
    assert outlines["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32616"
    (feature,) = outlines["features"]
    assert feature["properties"] == {"image": "a", "class": "crop", "region": 1, "area": 25.0}
    ((ring,),) = feature["geometry"]["coordinates"]
    assert {tuple(point) for point in ring} == {
        *((1001.0, 1999.0), (1006.0, 1999.0), (1006.0, 1994.0), (1001.0, 1994.0)),
    }
    x, y = np.array(ring).T
    assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # counter-clockwise, RFC 7946


def test_outlines_read_back_as_regions_of_interest_cover_the_class_exactly(season, tmp_path):
    measure(season / "may.png", MeasureOptions(regions=("crop",)), out=tmp_path / "out")
    again = measure(season / "may.png", MeasureOptions(roi=tmp_path / "out/regions.geojson"))
    (inside,) = again.to_json()["rois"].values()
    assert inside["classes"]["crop"] == {"pixels": 100, "area": 100.0, "percent": 100.0}


def test_rules_judge_every_image(season, tmp_path):
    (tmp_path / "rules.yaml").write_text(
        "rules: [{name: size, fail: crop area > 150 px2}, {fail: weed < 5 %}]"
    )
    results = measure(
        season, MeasureOptions(rules=tmp_path / "rules.yaml"), out=tmp_path / "out"
    )
    assert not results.passed
    assert results.failed_keys == ("july",)
    lines = table(tmp_path / "out/rules.csv")
    assert [(c["image"], c["passed"], c["value"]) for c in lines if c["rule"] == "size"] == [
        *(("july", "no", "196"), ("june", "yes", "144"), ("may", "yes", "100")),
    ]
    assert results.to_json()["rules"][0] == {
        "rule": "size",
        "fails_if": "> 150 px2",
        "num_judged": 3,
        "num_failed": 1,
        "failed": ["july"],
    }
    assert next(iter(results.pictures)) == "july"


def test_a_failure_half_way_leaves_the_folder_as_it_was(season, tmp_path, write_maps, field):
    before = write_maps("before", {"may": field(), "june": field(), "july": field()[:30]})
    out, mode = tmp_path / "out", WriteMode(overwrite=True)
    measure(season, out=out)
    old = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match=r"july\.png: the map before is \(30, 60\)"):
        measure(season, MeasureOptions(before=before), out=out, mode=mode)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == old
    assert not (tmp_path / "out.partial").exists()


def test_results_among_the_maps_are_passed_over_and_counted(season, tmp_path):
    first = measure(season, MeasureOptions(regions=("crop",)), out=season / "out")
    second = measure(season, out=tmp_path / "again")
    assert [image.key for image in second.images] == [image.key for image in first.images]
    manifest = read_manifest(tmp_path / "again")
    assert (manifest.num_read, manifest.passed_over) == (3, (str(season / "out"),))
    with pytest.raises(DataError, match="holds results of measure"):
        measure(season / "out")
    with pytest.raises(OutputError, match="holds files that measure did not write"):
        measure(season, out=season)


def test_a_map_without_labels_has_no_percent(write_maps, tmp_path):
    maps = write_maps("maps", {"a": np.full((4, 4), 255)})
    results = measure(maps, MeasureOptions(**EVERYTHING), out=tmp_path / "out")
    assert results.images[0].percent == {"soil": None, "crop": None, "weed": None}
    assert results.to_json()["gaps"][0]["smallest"] is None
    assert results.to_json()["thin"]["weed"]["mean_width"] is None
    lines = table(tmp_path / "out/coverage.csv")
    assert [line["percent"] for line in lines] == ["", "", "", "100"]
    assert "nan" not in (tmp_path / "out/report.html").read_text().lower().split("base64")[0]


def test_a_file_name_that_is_not_utf_8_is_measured_and_shown_escaped(tmp_path, field):
    maps = tmp_path / "maps"
    maps.mkdir()
    name = os.fsdecode(b"caf\xe9 <1>.png")
    try:
        Image.fromarray(field()).save(maps / name, format="PNG")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    measure(maps, MeasureOptions(regions=("all",), before=maps), out=tmp_path / "out")
    assert (tmp_path / "out/overlay" / name).exists()
    page = (tmp_path / "out/report.html").read_text()
    assert "caf\\udce9 &lt;1&gt;" in page


@pytest.mark.real
def test_cracks_of_a_real_set_have_a_length_and_a_width(real_data):
    maps = real_data / "crackforest/masks/val"
    results = measure(maps, MeasureOptions(thin=("crack",), min_area=20)).to_json()
    share = np.mean([np.asarray(Image.open(path)) == 1 for path in maps.glob("*.png")])
    assert results["coverage"]["classes"]["crack"]["percent"] == pytest.approx(100 * share)
    assert results["thin"]["crack"]["length"] > 3000
    assert 3 < results["thin"]["crack"]["mean_width"] < 12


@pytest.mark.real
def test_change_between_two_frames_of_a_real_video(real_data):
    frames = real_data / "davis_car/masks/seq"
    results = measure(frames / "00039.png", MeasureOptions(before=frames / "00000.png"))
    change = results.to_json()["change"]["classes"]["car"]
    assert change == {"gained": 808.0, "lost": 30521.0, "net": -29713.0}


@pytest.mark.real
def test_real_footprints_lie_on_the_buildings_of_a_real_map_in_metres(real_data, tmp_path):
    folder = real_data / "formats/geotiff"
    (tmp_path / "dataset.yaml").write_text(
        "classes: [{name: ground, raw: [0]}, {name: building, raw: [255]}]\n"
        "codec: {ignored: []}\n"
    )
    options = MeasureOptions(
        spec=tmp_path / "dataset.yaml",
        images=folder / "sample_geotiff.tif",
        roi=folder / "geotiff_labels.geojson",
    )
    results = measure(folder / "sample_fp_mask_from_geojson.tif", options, out=tmp_path / "out")
    assert results.to_json()["coverage"]["classes"]["building"]["area"] == 33818 * 0.25
    shares = [
        roi["classes"]["building"]["percent"] for roi in results.to_json()["rois"].values()
    ]
    assert len(shares) > 20
    assert min(shares) > 99


def test_photographs_of_16_bits_are_neither_black_nor_white_and_the_page_says_how(
    season, tmp_path, field
):
    for name in ("may", "june", "july"):
        wide_HW = np.linspace(20_000, 21_000, field(10).size).reshape(field(10).shape)
        wide_HW[0, 0] = 65_535
        path = tmp_path / f"photos/{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(wide_HW.astype(np.uint16)).save(path)
    options = MeasureOptions(mm_per_px=1.0, images=tmp_path / "photos", regions=("crop",))
    measure(season, options, out=tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "from black to white: percentiles 1 to 99 of each image." in page
    overlay = np.asarray(Image.open(tmp_path / "out/overlay/may.png")).astype(int)
    assert np.ptp(overlay.sum(axis=2)) > 150
