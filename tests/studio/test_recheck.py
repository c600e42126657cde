from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.studio_pages import make_team

from maskwright.store import items as stored
from maskwright.store import tables
from maskwright.store.judgements import Score, set_score
from maskwright.studio.fatigue import Sessions
from maskwright.studio.judging import count_errors
from maskwright.studio.recheck import review_first

TRUTH_HW = np.repeat(np.arange(2, dtype=np.uint8), 20)[:, None].repeat(40, axis=1)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def _count(share_right):
    """Counts of a map of two classes of which the first columns are right."""
    labels_HW = np.where(np.arange(40) < 40 * share_right, TRUTH_HW, 1 - TRUTH_HW)
    return count_errors(TRUTH_HW, labels_HW.astype(np.uint8), 2, 1)


def _score_gold(project, shares, at=NOON):
    """Gold copies of ann, one each minute."""
    with project.store.write() as connection:
        source = project.find_item(connection, 3)
        for number, share in enumerate(shares):
            copy = stored.add_copy(connection, source, "gold", "ann", source_rev=0)
            set_score(connection, copy, "gold", "ann", _count(share))
            when = (at + timedelta(minutes=number)).isoformat(timespec="seconds")
            there = tables.score.c.item_id == copy
            connection.execute(tables.score.update().where(there).values(at=when))


@pytest.fixture
def worked(project):
    """Ann has submitted a copy of each of two images today."""
    team = make_team(project, ann="annotator", mia="manager")
    team["mia"].ask("POST", "/api/settings", json={"copies": 1, "gold_first": 0})
    for _ in range(2):
        number = team["ann"].ask("POST", "/api/next").json()["id"]
        team["ann"].lease(number)
        team["ann"].draw(0, number, value=1, kind="all")
        assert team["ann"].step("submit", 1, number).json()["state"] == "submitted"
    return team


def _list_first(team):
    items = team["mia"].ask("GET", "/api/items").json()["items"]
    ordered = sorted(items, key=lambda item: -item["priority"])
    return [i["id"] for i in ordered if i["priority"] > 0]


def test_the_work_of_who_fails_gold_is_reviewed_first(project, worked):
    _score_gold(project, [0.5, 0.6] * 4)
    with project.store.write() as connection:
        assert [item.id for item in review_first(connection, "ann", 0.7)] == [1, 2]
        assert review_first(connection, "mia", 0.7) == []
    assert _list_first(worked) == [1, 2]
    seen = worked["ann"].ask("GET", "/api/items").json()["items"]
    assert all(item["priority"] == 0 for item in seen)  # of the copies: nothing is told


def test_nobody_is_rechecked_before_eight_gold_images_or_for_work_before_a_passed_one(
    project, worked
):
    _score_gold(project, [0.5, 0.6] * 3)
    with project.store.write() as connection:
        assert review_first(connection, "ann", 0.7) == []
    _score_gold(project, [0.5, 0.9], at=datetime.now(UTC) + timedelta(days=1))
    with project.store.write() as connection:
        assert review_first(connection, "ann", 0.7) == []  # nothing was submitted since
    assert _list_first(worked) == []


def test_a_session_ends_with_a_pause_and_scores_belong_to_its_spans():
    sessions = Sessions()
    for minute in range(0, 40, 10):
        sessions.add_edit(NOON + timedelta(minutes=minute), 30.0)
        sessions.add_submit(NOON + timedelta(minutes=minute), minute)
    later = NOON + timedelta(minutes=30 + 31)
    sessions.add_edit(later, 12.0)
    sessions.add_submit(later, 100)
    sessions.add_submit(later + timedelta(minutes=29), 0)  # again: it stays in its span
    scores = [
        Score(item_id=number, kind="gold", person="ann", at="", counts=_count(share))
        for number, share in ((0, 1.0), (30, 0.5), (999, 0.1))
    ]
    first, second, third = sessions.to_json(scores)
    assert first == {
        "from_min": 0,
        "to_min": 15,
        "images": 3,
        "seconds_per_image": 24.0,
        "iou": 1.0,
    }
    assert (second["from_min"], second["images"], second["iou"]) == (15, 1, None)
    assert (third["from_min"], third["to_min"], third["iou"]) == (30, 60, pytest.approx(1 / 3))
