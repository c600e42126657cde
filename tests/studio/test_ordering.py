import csv
import threading
import time

import numpy as np
import pytest
from PIL import Image
from tests.studio_pages import make_page, wait_for_job

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.studio.errors import StudioError
from maskwright.studio.jobs import Jobs
from maskwright.studio.ordering import rate_disagreement, rate_rarity
from maskwright.studio.project import open_project


def _order(page, order, **scores):
    return page.ask("POST", "/api/order", json={"order": order, "scores": scores})


def _order_long(page, order):
    """Order by a rule that takes long, and wait for its end."""
    assert _order(page, order).json()["kind"] == "order"
    return wait_for_job(page)


def _list_first(page):
    items = page.ask("GET", "/api/items").json()["items"]
    return [i["id"] for i in sorted(items, key=lambda item: -item["priority"])]


def test_a_file_of_scores_orders_the_list_and_the_next_work(page):
    keys = {i["id"]: i["key"] for i in page.ask("GET", "/api/items").json()["items"]}
    done = _order(page, "scores", **{keys[2]: 0.5, keys[3]: 0.9, "other": 7.0})
    assert done.json() == {"state": "finished", "images": 2}
    assert _list_first(page) == [3, 2, 1]
    assert page.ask("POST", "/api/next").json()["id"] == 3
    refused = _order(page, "scores", other=1.0)
    assert "none of 1 scores is of an image that is not accepted" in refused.json()["error"]
    assert "no model makes proposals" in _order(page, "uncertainty").json()["error"]
    assert _list_first(page) == [3, 2, 1]
    assert _order(page, "random").json()["images"] == 3


def test_the_queue_of_watch_orders_the_images_of_its_folder(scenes):
    with open_project(scenes) as project:
        page = make_page(project)
        missing = _order(page, "queue").json()["error"]
        assert "queue.csv: is not there; `maskwright watch --relabel` writes it" in missing
        keys = [i["key"] for i in page.ask("GET", "/api/items").json()["items"]]
        with (scenes / "queue.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["key", "source", "time", "confidence", "reason"])
            writer.writerows([[keys[n], "line", "", "0.4", "drift"] for n in (4, 1)])
        assert _order(page, "queue").json()["images"] == 2
        assert _list_first(page)[:2] == [5, 2]
        (scenes / "queue.csv").write_text("name\na\n")
        assert "not a CSV file with a column key" in _order(page, "queue").text


def test_no_order_is_given_while_a_longer_one_runs_that_would_replace_it(project, page):
    with project.store.write():  # for which the order by rarity waits
        assert _order(page, "rarity").json()["state"] == "running"
        refused = _order(page, "random")
    assert refused.status_code == 409
    assert "the order by rarity is running" in refused.json()["error"]
    assert wait_for_job(page)["state"] == "finished"
    assert _order(page, "random").json()["images"] == 3


def test_one_long_work_at_a_time_says_how_far_it_is_and_why_it_failed():
    jobs, goes_on, ended = Jobs(), threading.Event(), threading.Event()

    def work(progress):
        for item in progress([1, 2], total=2, what="rating"):
            assert item == 1 or goes_on.wait(60)
        raise DataError("a.png: cannot be read")

    assert jobs.last.to_json()["state"] == "none"
    progress = jobs.start("order", "the order by uncertainty", work, ended.set)
    while progress.done < 1:
        time.sleep(0.01)
    assert (progress.state, progress.total) == ("running", 2)
    with pytest.raises(StudioError, match="uncertainty is running, 1 of 2 are done; wait"):
        jobs.start("order", "the order by rarity", work, ended.set)
    goes_on.set()
    assert ended.wait(60)
    assert (jobs.last.state, jobs.last.error) == ("failed", "a.png: cannot be read")


def test_rare_classes_come_first(page):
    page.lease(2)
    page.draw(0, 2, value=1, kind="all")
    for number in (1, 3):
        page.lease(number)
        page.draw(0, number, value=0, kind="all")
    page.draw(1, 2, value=0, kind="stroke", radius=80, points=[800, 800])
    assert _order_long(page, "rarity")["images"] == 3
    assert _list_first(page)[0] == 2
    rated = rate_rarity({1: {0, 255}, 2: {0, 1}, 3: {255}})
    assert rated == pytest.approx({1: -np.log(2 / 3), 2: np.log(3), 3: 0.0})


def test_disagreement_weighs_by_confidence():
    labels_HW = np.array([[0, 0, 1, IGNORE]], np.uint8)
    predicted_HW = np.array([[0, 1, 2, 0]], np.uint8)
    confidence_HW = np.array([[0.9, 0.6, 0.3, 1.0]], np.float32)
    assert rate_disagreement(labels_HW, predicted_HW, confidence_HW) == pytest.approx(0.3)
    assert rate_disagreement(np.full((1, 4), IGNORE), predicted_HW, confidence_HW) == 0.0


def test_images_that_a_bundle_contradicts_come_first(painted_bundle, tmp_path):
    bundle = tmp_path / "model"
    painted_bundle(bundle, names=("road", "car"))
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((40, 40, 3), int(number == 1), np.uint8)).save(
            folder / f"{number}.png"
        )
    with open_project(folder, classes=["road", "car"]) as project:
        page = make_page(project, model=str(bundle))
        for number in (1, 2, 3):
            page.lease(number)
            page.draw(0, number, value=0, kind="all")
        done = _order_long(page, "disagreement")
        assert (done["state"], done["images"], done["done"], done["total"]) == (
            "finished",
            *[3] * 3,
        )
        assert _list_first(page)[0] == 2
        assert _order_long(page, "uncertainty")["images"] == 3
