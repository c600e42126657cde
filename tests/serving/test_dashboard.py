"""The dashboard: what an operator sees of a store, in a browser too."""

import html
import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from maskwright.monitoring.estimate import METHODS, Estimator
from maskwright.monitoring.estimate import SCHEMA as ESTIMATOR_SCHEMA
from maskwright.monitoring.window import Window
from maskwright.serving.access import Access
from maskwright.serving.endpoints import WATCHING
from maskwright.serving.watch import dashboard
from maskwright.serving.watch import judge as judging
from maskwright.serving.watch.estimates import estimate_columns
from maskwright.serving.watch.judge import (
    Judge,
    name_estimator,
)
from maskwright.serving.watch.keeper import KeepOptions
from maskwright.serving.watch.recorder import Failure, add_to_windows, sum_by_minute
from maskwright.serving.watch.view import Columns, View, read_columns
from maskwright.serving.watch.watching import Watch, WatchOptions
from maskwright.store.alarms import (
    DEAD,
    JOINS,
    add_deliveries,
    change_delivery,
    end_alarm,
    list_alarms,
    list_due,
    raise_alarm,
)
from maskwright.store.database import Database, write_meta
from maskwright.store.records import add_records

from .asgi import ask, make_app
from .records import BUNDLE, NUM, make_stream

ESTIMATOR = ESTIMATOR_SCHEMA.stamp(
    {
        "thresholds": [0.0, 0.0],
        "lines": {key: [0.7, 0.8, 1.0] for key in METHODS},
        "range": [0.5, 0.95],
        "group_images": 5,
        "folds": [
            {
                "thresholds": [0.0, 0.0],
                "lines": {key: [[0.7, 0.8, 1.0]] for key in METHODS},
                "errors": {key: [[0.02] * 20] for key in METHODS},
            }
        ],
    }
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The path of a store in which a change was seen, and the time of its last image."""
    folder, now = tmp_path_factory.mktemp("filled"), time.time()
    database = Database.open(folder / "a.sqlite")
    rows = list(make_stream(now, np.random.default_rng(0)))
    failures = [Failure(now - 600, "parts", BUNDLE, "hall/camera-0")] * 7
    with database.write() as connection:
        add_records(connection, rows)
        add_to_windows(connection, sum_by_minute([*rows, *failures]))
        document = {"title": "A <script>", "text": "what it is"}
        number = raise_alarm(connection, "test", "warning", document, now - 60)
        add_deliveries(connection, number, ["chat", "mail"], now)
        first, second = list_due(connection, now, ["chat", "mail"])
        change_delivery(connection, first.n, state=DEAD, attempts=6, error="<answered> 500")
        change_delivery(connection, second.n, attempts=1, error="refused")
        write_meta(connection, name_estimator(BUNDLE), json.dumps(ESTIMATOR))
    database.close()
    return folder / "a.sqlite", now


@pytest.fixture(scope="module")
def watch(filled, tmp_path_factory):
    """A watch of that store, whose reference are the first 400 images, judged once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(judging, "FIRST_REFERENCE", 400)
    keep = KeepOptions(folder=tmp_path_factory.mktemp("kept"), share=1.0, quota_bytes=1 << 20)
    opened = Watch(WatchOptions(store=filled[0], records=False, keep=keep), print)
    opened.open()
    opened.judge.look()
    yield opened
    opened.close()
    patch.undo()


@pytest.fixture(scope="module")
def app(watch):
    return make_app(Access("127.0.0.1"), table=WATCHING, watch=watch)


def _text(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page)))


def test_the_sums_of_a_view_are_those_of_its_images(filled):
    file, now = filled
    database = Database.open(file)
    with database.read() as connection:
        view = View.of_query({"span": "6h", "source": "hall"}, [BUNDLE], now)
        columns = read_columns(connection, view)
        camera = View.of_query({"span": "6h", "source": "hall/camera-1"}, [BUNDLE], now)
        of_camera = read_columns(connection, camera)
        none = read_columns(connection, View.of_query({"source": "ha"}, [BUNDLE], now))
    database.close()
    assert len(columns.windows) == 72
    assert (columns.total.num, columns.total.failed) == (NUM, 7)
    assert (of_camera.total.num, none.total.num) == (NUM // 2, 0)
    assert columns.counts_2N.sum() == NUM + 7
    assert np.nansum(columns.list_means("classes", "road") * columns.counts_2N[0]) == (
        pytest.approx(columns.total.average("classes")["road"] * NUM)
    )


def test_the_page_says_that_images_have_changed_and_what(app):
    answer = ask(app, "GET", "/watch?span=6h")
    assert answer.status == 200
    page = _text(answer.body.decode())
    assert "State the images have changed" in page
    assert f"Images {NUM} in 6 hours" in page
    assert "7 of 707 requests" in page
    assert re.search(r"light, colours and sharpness mean red 0\.(49|50)\d* 0\.3\d* -0\.2", page)
    assert "shares of classes road" not in page
    assert "<script>A" not in answer.body.decode()
    assert "A <script>" in page
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy


def test_a_message_that_did_not_arrive_is_shown_with_its_alarm_and_the_reason(app):
    page = _text(ask(app, "GET", "/watch?span=1h").body.decode())
    day = r"[A-Z][a-z]{2} \d\d, \d\d:\d\d"
    assert re.search(rf"A <script> chat given up after 6 attempts, {day} <answered> 500", page)
    assert re.search(rf"A <script> mail after 1 attempt, again at {day} refused", page)


def test_alarms_of_one_cause_are_one_line_also_when_they_are_over(app, watch, filled):
    now = filled[1]
    with watch.database.write() as connection:
        first = raise_alarm(connection, "one", "alarm", {"title": "All are silent"}, now)
        for name in ("camera-8", "camera-9"):
            document = {"title": f"{name} is silent", "source": name, JOINS: first}
            raise_alarm(connection, name, "alarm", document, now)
    line = "All are silent The same in camera-8, camera-9"
    for topics in ((), ("one",), ("camera-8", "camera-9")):
        with watch.database.write() as connection:
            for topic in topics:
                end_alarm(connection, topic, now)
        page = _text(ask(app, "GET", "/watch?span=1h").body.decode())
        # where the first is over and others are not, those have lines of their own
        assert (line in page) == (topics != ("one",))
        assert ("camera-8 is silent" in page) == (topics == ("one",))


def test_the_state_is_that_of_the_worst_source_that_is_shown(app, watch, monkeypatch):
    (judged,) = watch.judge.list_judged()
    known = judged.statuses
    states = {"": "ok", "hall": "warning", "hall/camera-1": "alarm", "hall/camera-2": "ok"}
    changed = {s: replace(known[""], scope=s, state=state) for s, state in states.items()}
    monkeypatch.setattr(judged, "statuses", changed)
    for scope, said in (
        ("", "State the images have changed hall/camera-1; of all that is shown: "),
        ("hall", "State the images have changed hall/camera-1; of all that is shown: "),
        ("hall/camera-2", "State all is well "),
    ):
        page = _text(ask(app, "GET", f"/watch?span=6h&source={scope}").body.decode())
        assert said in page, scope


def test_what_differs_in_other_sources_is_behind_their_names(app, watch, monkeypatch):
    (judged,) = watch.judge.list_judged()
    known = judged.statuses[""]
    assert known.change is not None
    changed = {scope: replace(known, scope=scope) for scope in ("", "hall/camera-1")}
    monkeypatch.setattr(judged, "statuses", changed)
    for scope, opened, closed in (
        ("", "all images", "hall/camera-1"),
        ("hall/camera-1", "hall/camera-1", "all images"),
        ("hall/camera-0", "all images", "hall/camera-1"),
    ):
        page = ask(app, "GET", f"/watch?span=6h&source={scope}").body.decode()
        assert f"<h3>{opened}</h3>" in page
        assert f"<summary>What differs in {closed}</summary>" in page
        assert page.count("<details>") == 1


def test_a_source_that_learns_says_how_far_it_is(app, watch, monkeypatch):
    (judged,) = watch.judge.list_judged()
    status = replace(judged.statuses[""], state="learning", num_reference=12, change=None)
    monkeypatch.setattr(judged, "statuses", {"": status})
    page = _text(ask(app, "GET", "/watch?span=6h").body.decode())
    assert "all images learning" in page
    assert "12 of the 30 groups of a reference are there" in page


def test_the_state_is_the_gravest_open_alarm(app, watch, filled):
    alarms = [
        (f"silence {BUNDLE} yard/camera-5", "camera-5 is silent"),
        (f"loss {BUNDLE}", "parts is less accurate"),
    ]
    for topic, title in alarms:
        with watch.database.write() as connection:
            raise_alarm(connection, topic, "alarm", {"title": title, "text": "look"}, filled[1])
        page = _text(ask(app, "GET", "/watch?span=1h").body.decode())
        assert f"State {title} look" in page
    page = _text(ask(app, "GET", "/watch?span=1h&source=hall").body.decode())
    assert "State parts is less accurate look" in page
    with watch.database.write() as connection:
        for topic, _ in alarms[::-1]:
            end_alarm(connection, topic, filled[1])
            raise_alarm(connection, f"loss {'c' * 16}", "alarm", {}, filled[1])  # of another
    page = _text(ask(app, "GET", "/watch?span=1h").body.decode())
    assert "State the images have changed" in page


def test_two_values_are_shown_with_the_digits_in_which_they_differ():
    show = dashboard._format_both
    assert show(0.9998, 0.9996, "share") == ("99.98\xa0%", "99.96\xa0%")
    assert show(0.25, 0.5, "share") == ("25\xa0%", "50\xa0%")
    assert show(0.25, 0.25, "share") == ("25\xa0%", "25\xa0%")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("span=2h", 400, "span is '2h'; use 1h, 6h, 24h, 7d, 30d, 1y"),
        ("bundle=x", 404, "no rows of a Bundle 'x'"),
    ],
)
def test_another_view_is_refused(app, query, status, message):
    answer = ask(app, "GET", f"/watch?{query}")
    assert (answer.status, answer.json) == (status, {"error": message})


def test_mean_iou_is_shown_by_truth_and_estimated_without_it(app):
    page = _text(ask(app, "GET", "/watch?span=6h").body.decode())
    # soft IoU 0.55 / 0.7 and 0.25 / 0.5, 0.16 below the level of the fit
    expected = 100 * (0.7 - (0.8 - (0.55 / 0.7 + 0.25 / 0.5) / 2))
    low, high = expected - 2, expected + 2
    assert f"Estimated mean IoU {expected:.1f} % {low:.1f} % to {high:.1f} % (90 %)" in page
    assert f"estimated of {NUM} images" in page
    assert re.search(r"Mean IoU 80\.\d % of 234 images with truth", page)
    assert "Evidence by family" in page
    assert "Control charts" in page
    assert re.search(r"road (in control|\d+ signals?: )", page)


def test_an_estimate_is_silent_outside_of_what_it_knows():
    window = Window.of_image(
        {"expected": {"hit a": 0.2, "truth a": 1.0, "predicted a": 1.0}}, 1
    )
    columns = Columns(View.of_query({}, [], 1e9), [window] * 96)
    estimator = Estimator.from_json(ESTIMATOR, where="x")
    found = estimate_columns(estimator, columns, 30)
    assert (found.num_images, len(found.times_N), found.num_silent) == (96, 3, 3)
    assert found.whole.miou is None
    assert estimate_columns(estimator, columns, 97) is None


def test_an_alarm_is_acknowledged(app, watch):
    with watch.database.read() as connection:
        number = next(a.n for a in list_alarms(connection, most=9) if a.topic == "test")
    answer = ask(app, "POST", f"/watch/alarms/{number}/acknowledge")
    assert (answer.status, answer.headers["location"]) == (303, "../../../watch")
    with watch.database.read() as connection:
        assert {a.n for a in list_alarms(connection, most=9) if a.acknowledged} == {number}
    assert ask(app, "POST", "/watch/alarms/99/acknowledge").status == 404


def test_only_pictures_of_kept_images_are_sent(app, watch):
    (watch.keeper.folder / "0.5-1-ab.view.jpg").write_bytes(b"\xff\xd8picture")
    answer = ask(app, "GET", "/watch/images/0.5-1-ab.png")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    for name in ("0.5-1-cd.png", "..%2Fa.sqlite", "%2E%2E"):
        assert ask(app, "GET", f"/watch/images/{name}").status == 404


def test_a_judge_goes_on_where_the_one_before_has_ended(filled, watch):
    first = watch.judge.list_judged()[0]
    assert first.num_reference == 400
    watch.judge.save()
    again = Judge(watch.database)
    again.look()
    (second,) = again.list_judged()
    assert second.statuses == first.statuses
    assert second.num_judged == 0
    assert first.num_judged == NUM - 400


@pytest.mark.parametrize("width_px", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_window(window, app, tmp_path, width_px, dark):
    page = tmp_path / "watch.html"
    page.write_bytes(ask(app, "GET", "/watch?span=6h").body)
    window.open(page, width_px=width_px, dark=dark)
    assert window.value("document.documentElement.scrollWidth - innerWidth") <= 0
    assert window.value("document.querySelectorAll('svg.chart').length") >= 6
    smallest = (
        "Math.min(...[...document.querySelectorAll('svg.chart')].map(s => s.clientWidth))"
    )
    assert window.value(smallest) > 250
    state = "getComputedStyle(document.querySelector('.tile.state.alarm')).backgroundColor"
    assert window.value(state) == ("rgb(255, 154, 112)" if dark else "rgb(168, 50, 0)")


def test_the_verb_shows_a_store_alone(filled, tmp_path):
    import subprocess
    import sys
    import urllib.request

    command = [sys.executable, "-m", "maskwright", "watch", "--store", filled[0], "--port", "0"]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+/", line)[0]
        with urllib.request.urlopen(f"{address}") as answer:  # leads to the page
            assert answer.url == f"{address}watch"
            assert b"<h1>Watch parts</h1>" in answer.read()
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()
