"""Rules on frames: the events are those that `measure` would judge, frame by frame."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import LabelSpec
from maskwright.measurement.events.intervals import FrameTimes
from maskwright.measurement.events.watcher import WatchOptions, open_watcher
from maskwright.measurement.measure import measure
from maskwright.measurement.series import MeasureOptions
from maskwright.pages.display import Display

SPEC = LabelSpec.from_names(("road", "car", "person"))
ROAD, CAR = 0, 1
RULES = """
zones:
  shoulder: {share: [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
  lane: {px: [[0, 0], [10, 0], [10, 10], [0, 10]]}
rules:
  - {name: stopped, fail: car area > 10 %, roi: shoulder, for: 0.5s, clear: 0.3s}
  - {name: many, fail: car regions >= 2}
  - {name: close, fail: "car, person gap < 3 px", roi: lane}
"""


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "rules.yaml"


def watch(folder, frames, **options):
    watcher = open_watcher(WatchOptions(**options), SPEC, Display())
    folder.mkdir(exist_ok=True)
    watcher.open(folder, source="camera")
    try:
        for one in frames:
            watcher.write(one)
    finally:
        watcher.close()
    with (folder / "events.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    return watcher, rows, lines


def draw(car_left=None, *, size=8):
    labels_HW = np.zeros((10, 20), np.uint8)
    if car_left is not None:
        labels_HW[1 : 1 + size, car_left : car_left + 4] = CAR
    return labels_HW


def test_a_car_that_stays_on_the_shoulder_is_one_event(tmp_path, rules, make_frames):
    passing = [draw(left) for left in (0, 4, 12, 16)]
    stopped = [draw(12, size=size) for size in (4, 6, 8, 6, 6, 6)]
    maps = [draw(), *passing, draw(), *stopped, draw(), *stopped[:1], *[draw()] * 4]
    watcher, rows, lines = watch(tmp_path / "out", make_frames(maps), rules=rules)
    (row,) = rows
    assert row == {
        "event": "1",
        "kind": "rule",
        "name": "stopped",
        "zone": "shoulder",
        "classes": "car",
        "limit": "> 10 %",
        "start_s": "0.6",
        "raised_s": "1.1",
        "end_s": "1.4",
        "peak": "32.0",
        "unit": "%",
        "peak_s": "0.8",
        "peak_frame": "000008",
        "left": "",
        "top": "",
        "width": "",
        "height": "",
        "dropped": "0",
        "unseen_s": "0.0",
        "picture": "events/0001.jpg",
    }
    assert [(line["state"], line["source"], line["event"]) for line in lines] == [
        ("began", "camera", 1),
        ("ended", "camera", 1),
    ]
    assert (tmp_path / "out" / "events" / "0001.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert watcher.num_events == 1
    assert watcher.describe() == ["judged by 3 rules", "events: 1 of 'stopped'"]


def test_an_event_that_lasts_at_the_end_is_left_open(tmp_path, rules, make_frames):
    _, rows, lines = watch(tmp_path / "out", make_frames([draw(12)] * 8), rules=rules)
    assert [row["end_s"] for row in rows] == [""]
    assert [line["state"] for line in lines] == ["began", "open"]


def test_each_event_without_a_time_is_a_row_of_failed_verdicts(tmp_path, make_frames):
    from PIL import Image

    text = RULES.replace(", for: 0.5s, clear: 0.3s", "")
    (tmp_path / "rules.yaml").write_text(text)
    maps = np.random.default_rng(0).choice(3, (24, 10, 20), p=(0.9, 0.08, 0.02))
    (tmp_path / "maps").mkdir()
    for index, labels_HW in enumerate(maps.astype(np.uint8)):
        Image.fromarray(labels_HW).save(tmp_path / "maps" / f"{index:06d}.png")
    (tmp_path / "classes.txt").write_text("0 road\n1 car\n2 person\n")
    measured = measure(
        tmp_path / "maps",
        MeasureOptions(rules=tmp_path / "rules.yaml", spec=tmp_path / "classes.txt"),
    )
    _, rows, _ = watch(
        tmp_path / "out", make_frames(maps, fps=1), rules=tmp_path / "rules.yaml"
    )
    for name in ("stopped", "many", "close"):
        failed = [not v.passed for v in measured.verdicts if v.rule.name == name]
        assert 0 < sum(failed) <= 24, name
        inside = np.zeros(24, np.bool_)
        for row in rows:
            if row["name"] == name:
                end = float(row["end_s"] or 24)
                inside[int(float(row["start_s"])) : int(end)] = True
        np.testing.assert_array_equal(inside, failed)


def test_gaps_of_a_stream_are_told(tmp_path, rules, make_frames):
    times = [0, 0.1, 0.2, 0.3, 20, 20.1]
    frames = make_frames([draw(12)] * 6, times=times, dropped=[0, 3, 0, 0, 0, 0])
    watcher, rows, _ = watch(tmp_path / "out", frames, rules=rules)
    assert rows == []  # 0.3 s before the gap and 0.1 s after it
    assert "nothing is known of 19.7 s in 1 gaps of the stream" in watcher.describe()


def test_a_slow_stream_is_not_away_between_its_frames():
    times = FrameTimes()
    for time_s in (0, 5, 10, 15, 20):
        times.add(time_s)
        assert not times.was_away
    assert (times.add(45), times.was_away, times.away_s) == (25, True, 25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [{fail: car gained > 1 %}]", "gained compares two dates"),
        ("rules: [{fail: car > 1 %, roi: exit}]", "roi 'exit' needs the polygons of --roi"),
        ("rules: [{fail: car > 1 %, for: soon}]", "for: 'soon': write numbers with d, h, m or"),
        ("rules: [{fail: car > 1 %, cleer: 3s}]", r"'rules.0.cleer'; did you mean 'clear'"),
        (
            "zones: {a: {px: [[0, 0], [1, 1]]}}\nrules: [{fail: car > 1 %}]",
            "zones.a: a polygon has three corners or more, not 2",
        ),
        (
            "zones: {a: {share: [[0, 0], [1, 1], [0, 20]]}}\nrules: [{fail: car > 1 %}]",
            "shares of the frame are from 0 to 1",
        ),
        (
            "zones: {a: {}}\nrules: [{fail: car > 1 %}]",
            "give the corners as 'px' or as 'share'",
        ),
    ],
)
def test_rules_that_cannot_be_watched_are_refused(tmp_path, text, message):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        open_watcher(WatchOptions(rules=tmp_path / "rules.yaml"), SPEC, Display())


def test_a_zone_outside_of_the_frame_is_refused(tmp_path, make_frames):
    text = "zones: {a: {px: [[90, 0], [99, 0], [99, 9]]}}\nrules: [{fail: car > 1 %, roi: a}]"
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(DataError, match=r"'a' covers no pixel of maps of \(10, 20\) \(H, W\)"):
        watch(tmp_path / "out", make_frames([draw()]), rules=tmp_path / "rules.yaml")


def test_what_nothing_uses_is_refused():
    with pytest.raises(ConfigError, match="--webhook: only with --rules or --baseline"):
        WatchOptions(webhook="https://a.b")
    with pytest.raises(ConfigError, match="--stay: only with --baseline; the time of a rule"):
        WatchOptions(rules=Path("rules.yaml"), stay_s=30.0)


def test_times_of_rules_are_refused_for_class_maps(tmp_path, rules):
    from PIL import Image

    Image.fromarray(draw()).save(tmp_path / "a.png")
    (tmp_path / "classes.txt").write_text("0 road\n1 car\n2 person\n")
    with pytest.raises(ConfigError, match="for and clear need the times of a stream"):
        measure(tmp_path / "a.png", MeasureOptions(rules=rules))


def test_a_name_may_not_be_a_zone_and_a_region(tmp_path, rules):
    ring = [[0, 0], [1, 0], [1, 1]]
    feature = {
        "type": "Feature",
        "properties": {"name": "lane"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (tmp_path / "roi.geojson").write_text(json.dumps(feature))
    with pytest.raises(ConfigError, match=r"the zone 'lane' is a region of .*roi\.geojson too"):
        open_watcher(WatchOptions(rules=rules, roi=tmp_path / "roi.geojson"), SPEC, Display())
