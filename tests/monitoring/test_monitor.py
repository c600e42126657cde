"""A Monitor learns, warns, cries and calms down, for each camera, each site and everything."""

import io
import json

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.observation import Observation
from maskwright.monitoring.groups import Observed
from maskwright.monitoring.monitor import GOOD_GROUPS, Monitor
from maskwright.monitoring.reference import Centers, build_references, list_scopes
from maskwright.monitoring.saved import restore_state, save_state
from maskwright.monitoring.target import Target

from .test_groups import make_stream

OFFSETS = {"north/a": 0.0, "north/b": 0.2, "south/c": -0.3}


def make_rows(num, seed, *, cameras=tuple(OFFSETS), shift=0.0, road=0.3, rho=0.5):
    """Images of the cameras in turn; `shift` is in standard deviations of the light."""
    streams = {
        name: (make_stream(rho, num, 10 * seed + k), make_stream(rho, num, 10 * seed + 5 + k))
        for k, name in enumerate(cameras)
    }
    return [
        row(name, t, OFFSETS.get(name, 0.8) + light[t] + shift, road + 0.02 * share[t])
        for t in range(num)
        for name, (light, share) in streams.items()
    ]


def row(source, number, light, share):
    return Observation(
        key=f"{source}/{number}",
        model="m",
        source=source,
        families={
            "image": {"mean": 0.5 + 0.05 * light},
            "classes": {"road": share, "sky": 1 - share},
            "confidence": {"mean": 0.9},
            "shapes": {"border": 0.1},
        },
    )


@pytest.fixture(scope="module")
def reference():
    return Observed.gather(make_rows(500, 1), where="reference")


def start(reference, **options):
    return Monitor.start(reference, images_per_day=240, **options)


def test_scopes_are_cameras_sites_and_everything_and_equal_ones_are_one(reference):
    assert list_scopes("north/a") == ("", "north", "north/a")
    assert list_scopes("") == ("",)
    assert list(build_references(reference)) == ["", "north", "north/a", "north/b", "south"]
    alone = Observed.gather(make_rows(100, 1, cameras=("north/a",)), where="x")
    assert list(build_references(alone)) == [""]


def test_a_group_of_several_cameras_spans_the_time_of_a_group_of_each(reference):
    found = build_references(reference)
    assert found["south"].size >= 8
    assert found["north"].size >= 2 * max(found[f"north/{c}"].size for c in "ab")
    assert found[""].num_images == 1500


def test_images_without_a_source_stand_beside_those_of_a_site_and_of_its_camera():
    rows = make_rows(300, 1, cameras=("", "north", "north/a"), rho=0.0)
    reference = Observed.gather(rows, where="x")
    found = build_references(reference)
    assert {scope: one.num_images for scope, one in found.items()} == {
        "": 900,
        "north": 600,
        "north/a": 300,
    }
    of_camera = [row for row in rows if row.source == "north/a"]
    (alone,) = build_references(Observed.gather(of_camera, where="x")).values()
    np.testing.assert_allclose(found["north/a"].values_GF, alone.values_GF, atol=1e-12)
    rows = make_rows(40, 2, cameras=("", "north", "north/a"), rho=0.0)
    statuses = start(reference).update(rows)
    assert {scope: one.state for scope, one in statuses.items()} == dict.fromkeys(found, "ok")


def test_shares_of_a_group_are_averaged_before_their_logarithm():
    """Half of the images without a class do not hide that the others have twice as much."""
    names = {"classes": ("car", "road")}
    centers = Centers(names=names, shifts={"b": np.full((2, 2), 0.5)})
    values = np.array([[0.0, 1.0], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]])
    features, shown = centers.average(values, ["a", "a", "b", "b"], 2)
    assert shown == pytest.approx(np.array([[0.1, 0.9], [0.7, 1.3]]))
    logs = np.log([0.1 + 1e-3, 0.9 + 1e-3])
    assert features[0] == pytest.approx(logs - logs.mean())
    mixed, _ = centers.average(values[[0, 3]], ["a", "b"], 1)
    alone = [centers.average(values[[k]], [name], 1)[0][0] for k, name in ((0, "a"), (3, "b"))]
    assert mixed[0] == pytest.approx(np.mean(alone, axis=0))


def test_the_target_is_shared_by_all_scopes_that_are_judged(reference):
    monitor = start(reference, target=Target(1, 90))
    south = monitor.scopes["south"]
    per_day = 240 * 500 / 1500 / south.reference.size
    assert south.limit == pytest.approx(90 * per_day * len(monitor.scopes))


def test_nothing_is_cried_without_a_change_and_rows_in_other_portions_say_the_same(reference):
    rows = make_rows(120, 2)
    whole, portions = start(reference), start(reference)
    found = whole.update(rows)
    for first in range(0, len(rows), 7):
        portions.update(rows[first : first + 7])
    assert {one.state for one in found.values()} == {"ok"}
    assert portions.statuses == found
    assert found["south"].num_groups == 120 // found["south"].group_size


def test_a_dark_camera_warns_then_cries_and_its_family_and_size_are_named(reference):
    monitor = start(reference)
    states = []
    for image in make_rows(400, 3, cameras=("south/c",), shift=-4):
        states.append(monitor.update([image])["south"].state)
        if states[-1] == "alarm":
            break
    found = monitor.statuses["south"]
    assert list(dict.fromkeys(states)) == ["ok", "warning", "alarm"]
    assert found.evidence >= 1
    assert found.change.families == ("image",)
    (effect,) = found.change.effects["image"]
    assert effect.after - effect.before == pytest.approx(-0.2, abs=0.04)
    low, high = effect.interval
    assert low < -0.2 < high < 0
    assert found.since_key.startswith("south/c/")
    assert monitor.statuses["north/a"].state == "ok"
    assert json.loads(json.dumps(found.to_json()))["state"] == "alarm"


def test_it_is_ok_again_only_after_enough_good_groups(reference):
    monitor = start(reference)
    monitor.update(make_rows(400, 3, cameras=("south/c",), shift=-4))
    assert monitor.statuses["south"].state == "alarm"
    size = monitor.statuses["south"].group_size
    num_good = 0
    for first in range(40):
        good = make_rows(size, 20 + first, cameras=("south/c",))
        num_good += 1
        if monitor.update(good)["south"].state == "ok":
            break
    assert GOOD_GROUPS - 3 <= num_good <= 2 * GOOD_GROUPS
    assert monitor.statuses["south"].evidence == 0
    assert monitor.statuses["south"].change is None


def test_another_mixture_of_known_cameras_is_not_a_change_and_a_new_camera_is(reference):
    mixed = make_rows(100, 4, cameras=("north/a",)) + make_rows(100, 5)
    assert start(reference).update(mixed)[""].state == "ok"
    new = make_rows(300, 6, cameras=("north/a", "north/b", "north/new"), rho=0.0)
    found = start(reference).update(new)
    assert found["north"].state != "ok"
    assert found["north/a"].state == found["south"].state == "ok"


def test_a_short_reference_learns_and_cries_nothing():
    short = Observed.gather(make_rows(60, 1, cameras=("a",)), where="x")
    found = start(short).update(make_rows(400, 2, cameras=("a",), shift=20))
    assert found[""].state == "learning"
    assert found[""].num_reference < 30


def test_a_state_that_is_saved_goes_on_where_it_was(reference):
    rows = make_rows(130, 3, shift=-2)
    whole, first, second = (start(reference) for _ in range(3))
    whole.update(rows)
    first.update(rows[:200])
    restore_state(second, save_state(first))
    assert second.statuses == first.statuses
    second.update(rows[200:])
    assert second.statuses == whole.statuses
    assert second.statuses["south"].state != "ok"


def test_a_state_that_is_saved_after_an_alarm_goes_on_where_it_was(reference):
    one_camera = {"cameras": ("south/c",)}
    first, second = start(reference), start(reference)
    first.update(make_rows(200, 3, shift=-4, **one_camera))
    first.update(make_rows(600, 4, **one_camera))
    evidence = first.scopes["south"].evidence
    assert evidence.num_good == evidence.num_reference + GOOD_GROUPS
    restore_state(second, save_state(first))
    for monitor in (first, second):
        monitor.update(make_rows(100, 5, shift=-1, **one_camera))
    assert second.statuses == first.statuses
    assert second.scopes["south"].evidence.num_good == evidence.num_good


def test_a_state_of_version_1_is_read(reference):
    rows = make_rows(130, 3, shift=-2)
    whole, older = start(reference), start(reference)
    whole.update(rows)
    arrays = dict(np.load(io.BytesIO(save_state(whole))))
    document = json.loads(arrays["head.json"].tobytes()) | {"schema_version": 1}
    for head in document["scopes"]:
        del head["num_good"]
    arrays["head.json"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)
    restore_state(older, file.getvalue())
    assert older.statuses == whole.statuses
    assert save_state(older) == save_state(whole)


def test_a_state_of_another_reference_or_a_damaged_one_is_refused(reference):
    other = Observed.gather(make_rows(400, 7), where="x")
    with pytest.raises(DataError, match="counted with another reference; start a new one"):
        restore_state(start(other), save_state(start(reference)))
    state = save_state(start(reference))
    for damaged in (b"", b"x", state[:-30]):
        with pytest.raises(DataError, match="not a state of a monitor"):
            restore_state(start(reference), damaged)


def test_rows_of_another_model_are_refused(reference):
    image = row("north/a", 0, 0.0, 0.3)
    other = Observation(
        key="k",
        model="n",
        source="north/a",
        families=dict(image.families) | {"classes": {"sea": 1.0}},
    )
    with pytest.raises(DataError, match="other numbers of classes than the reference"):
        start(reference).update([other])
    with pytest.raises(DataError, match="images_per_day is 0"):
        Monitor.start(reference, images_per_day=0)


def test_targets_are_read():
    assert Target.parse("1/90d") == Target(1, 90)
    assert Target.parse(" 0.5 / 12h ").days_between == 1
    assert str(Target.parse("2/4w".replace("4w", "28d"))) == "2/28d"
    for text in ("90d", "0/90d", "1/", "1/90", "a/90d"):
        with pytest.raises(ConfigError, match=r"--target .*for example"):
            Target.parse(text)
