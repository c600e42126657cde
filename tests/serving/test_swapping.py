import json
import shutil
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE
from maskwright.core.trust import hash_file
from maskwright.serving.errors import ServingError
from maskwright.serving.messages import Outcome
from maskwright.serving.shadow import Shadow, count_alone
from maskwright.serving.swapping import require_allowed


@pytest.fixture(scope="module")
def swap_options(small, painted_bundle, tmp_path_factory):
    """A server may load `next`, with other weights than `painted`, and `other`."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(small.root, folder / "next/bundle")
    painted_bundle(folder / "other", names=("a", "b"))
    return "--admin", "--swap-from", folder


@pytest.fixture
def swapping(start_server, painted, swap_options):
    server = start_server(f"m={painted.root}", *swap_options)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def unchanged(start_server, painted, swap_options):
    """A server whose model stays as it is."""
    return start_server(f"m={painted.root}", *swap_options)


def _load(server, **parameters):
    body = json.dumps({"parameters": parameters}).encode()
    return server.ask("POST", "/v2/repository/models/m/load", body)


def _bundle(server, body, **headers):
    answer = server.ask("POST", "/v1/predict?format=raw", body, **headers)
    assert answer.status == 200, answer.body
    return answer.headers["maskwright-bundle"]


@pytest.mark.parametrize(
    "num_requests", [120, pytest.param(1000, marks=pytest.mark.long)], ids=str
)
def test_a_swap_under_load_loses_no_request(
    swapping, painted, small, stripes, png, num_requests
):
    body, found = png(stripes), []
    left = iter(range(num_requests))
    begun = threading.Event()

    def send():
        for number in left:
            found.append(_bundle(swapping, body))
            if number > num_requests // 4:
                begun.set()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(120)
    assert _load(swapping, bundle="next").json["bundle"] == small.model_id
    assert _bundle(swapping, body) == small.model_id
    for thread in threads:
        thread.join(300)
    assert len(found) == num_requests
    assert found[0] == painted.model_id
    models = swapping.ask("GET", "/v1/models").json["models"]
    assert [(model["version"], model["facts"]["bundle"]) for model in models] == [
        ("2", small.model_id)
    ]


def test_a_canary_keeps_its_clients_until_it_is_promoted(
    swapping, painted, small, stripes, png
):
    body = png(stripes)
    assert _load(swapping, bundle="next", canary=0.5).status == 200
    keys = [f"camera {number}" for number in range(12)]
    first = [_bundle(swapping, body, X_Key=key) for key in keys]
    assert set(first) == {painted.model_id, small.model_id}
    assert [_bundle(swapping, body, X_Key=key) for key in keys] == first
    assert swapping.ask("POST", "/v2/repository/models/m/unload").json["removed"] == "2"
    assert {_bundle(swapping, body, X_Key=key) for key in keys} == {painted.model_id}
    assert _load(swapping, bundle="next", canary=0.5).json["version"] == "2"
    promoted = swapping.ask("POST", "/v1/models/m/promote").json
    assert (promoted["name"], promoted["version"]) == ("m", "2")
    assert promoted["comparison"] == {
        "compared": False,
        "reason": "a version is not of a run with a report",
    }
    assert {_bundle(swapping, body, X_Key=key) for key in keys} == {small.model_id}


def test_a_shadow_compares_its_maps_and_answers_nobody(
    swapping, painted, small, photographs, png
):
    assert _load(swapping, bundle="next", shadow=0.999).status == 200
    body = png(photographs[1])
    assert _bundle(swapping, body) == painted.model_id
    found = {"images": 0}
    while not found["images"]:
        found = swapping.ask("GET", "/v1/models/m/shadow").json
    assert found["version"] == "2"
    assert 0 < found["changed_share"] <= 1
    assert [entry["name"] for entry in found["classes"]] == ["sky", "road", "tree", "car"]


@pytest.mark.parametrize(
    ("parameters", "status", "message"),
    [
        (
            {"bundle": "other"},
            409,
            "other: has the classes a, b, model m has sky, road, tree, ",
        ),
        ({"bundle": "../painted"}, 400, "name a Bundle or a run of the folder"),
        ({"bundle": "absent"}, 404, "no Bundle named 'absent' in the folder of --swap-from"),
        ({"bundle": "next", "canary": 2}, 400, "canary is 2; use a share between 0 and 1"),
        ({"bundle": "next", "canary": 0.5, "shadow": 0.5}, 400, "choose canary or shadow, not"),
        ({"path": "next"}, 400, "unknown parameter 'path'"),
        ({"bundle": "next", "force": "yes"}, 400, "force is 'yes'; use true or false"),
    ],
)
def test_what_may_not_be_loaded_is_refused(unchanged, parameters, status, message):
    answer = _load(unchanged, **parameters)
    assert (answer.status, message in answer.json["error"]) == (status, True), answer.body


def test_only_bundles_on_the_list_of_the_operator_are_loaded(small, tmp_path):
    digest = hash_file(small.root / "bundle.json")
    require_allowed(small.root, [])
    require_allowed(small.root, ["0" * 64, digest])
    with pytest.raises(ServingError, match=f"allows it with --allow-bundle {digest}") as caught:
        require_allowed(small.root, ["0" * 64])
    assert caught.value.status == 403
    for words, message in (
        (["--allow-bundle", digest], "of --swap-from may be loaded"),
        (["--swap-from", str(tmp_path), "--allow-bundle", "abc"], "'abc': expected a SHA-256"),
    ):
        done = CliRunner().invoke(app, ["serve", str(small.root), *words])
        assert isinstance(done.exception, ConfigError)
        assert message in str(done.exception)


def test_maps_are_compared_by_class_and_by_object():
    shadow = Shadow(1.0, ("a", "b"))
    now = np.array([[0, 0, 1], [0, 0, 0], [1, 0, IGNORE]], np.uint8)
    new = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 1]], np.uint8)

    def outcome(labels_HW, seconds):
        return Outcome(
            id=0, size_HW=(3, 3), seconds={"engine": seconds}, body=labels_HW.tobytes()
        )

    shadow.add(outcome(now, 2.0), outcome(new, 3.0))
    found = shadow.describe()
    assert found["images"] == 1
    assert found["changed_share"] == 0.125
    assert found["seconds_ratio"] == 1.5
    assert found["classes"] == [
        {"name": "a", "agreement": round(6 / 7, 6), "objects_gained": 0, "objects_lost": 0},
        {"name": "b", "agreement": 0.5, "objects_gained": 1, "objects_lost": 1},
    ]
    assert count_alone(now == 1, now == 1) == 0


def test_a_busy_server_compares_nothing():
    shadow = Shadow(1.0, ("a",))
    assert [shadow.wants(is_idle=False), shadow.wants(is_idle=True)] == [False, True]
    assert shadow.describe()["skipped"] == 1
