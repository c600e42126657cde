import asyncio
import sqlite3

import pytest
from tests.studio_pages import make_team

from maskwright.core.results import STUDIO_FILE
from maskwright.store.items import Item
from maskwright.studio.live import News
from maskwright.studio.people import Person
from maskwright.studio.verify import verify

STROKE = {"kind": "stroke", "radius": 80, "points": [800, 800]}


@pytest.fixture
def team(project):
    return make_team(project, ann="annotator", bob="annotator", rob="reviewer", mia="manager")


def _submit(page, number=1):
    page.lease(number)
    rev = page.item(number)["rev"]
    assert page.draw(rev, number, value=rev % 3, **STROKE).status_code == 200
    assert page.step("submit", rev + 1, number).json()["state"] == "submitted"
    page.lease(number, take="end")
    return rev + 1


def _comment(page, text, number=1, **more):
    return page.ask("POST", f"/api/items/{number}/comments", json={"text": text, **more})


def test_a_comment_at_a_point_is_answered_resolved_and_then_the_image_accepted(team):
    ann, rob = team["ann"], team["rob"]
    rev = _submit(ann)
    assert rob.step("review", rev).json()["state"] == "in_review"
    first = _comment(rob, "this is a tree", at_xy=[100.5, 90]).json()
    assert first["at_xy"] == [100.5, 90]
    assert (first["author"], first["rev"], first["resolved_by"]) == ("rob", 1, None)
    assert rob.step("return", rev).json()["annotator"] == "ann"
    mine = [i for i in ann.ask("GET", "/api/items").json()["items"] if i["annotator"] == "ann"]
    assert [(i["state"], i["open_comments"]) for i in mine] == [("returned", 1)]
    answer = _comment(ann, "done", thread=first["id"]).json()
    rev = _submit(ann)
    refused = rob.step("accept", rev)
    assert refused.status_code == 409
    assert "1 comment is open; resolve what is open, or accept with a reason" in refused.text
    found = rob.ask("GET", "/api/items/1/comments").json()["comments"]
    assert [(c["id"], c["thread"]) for c in found] == [
        (first["id"], None),
        (answer["id"], first["id"]),
    ]
    path = f"/api/items/1/comments/{first['id']}"
    assert rob.ask("POST", path, json={"open": False}).json()["resolved_by"] == "rob"
    assert rob.step("accept", rev).json()["state"] == "accepted"


def test_a_reviewer_paints_in_review_and_the_image_stays_the_work_of_its_annotator(team):
    ann, rob = team["ann"], team["rob"]
    rev = _submit(ann)
    rob.lease()
    assert "is submitted and not changed; return it first" in rob.draw(rev, **STROKE).text
    rob.step("review", rev)
    fixed = rob.draw(rev, value=2, **STROKE).json()
    assert (fixed["rev"], fixed["state"]) == (rev + 1, "in_review")
    assert ann.draw(rev + 1, **STROKE).status_code == 409
    item = rob.step("accept", rev + 1).json()
    assert (item["annotator"], item["reviewer"]) == ("ann", "rob")


def test_open_comments_are_waived_with_a_reason_that_the_log_has(project, team):
    rev = _submit(team["ann"])
    _comment(team["rob"], "almost")
    headers = {"If-Match": str(rev)}
    done = team["rob"].ask(
        "POST", "/api/items/1/steps/accept", headers=headers, json={"waiver": "a detail"}
    )
    assert done.json()["state"] == "accepted"
    with sqlite3.connect(project.folder / STUDIO_FILE) as store:
        query = "SELECT document FROM event WHERE verb = 'accept'"
        assert '"waiver": "a detail"' in store.execute(query).fetchone()[0]
    store.close()
    assert verify(project).faults == ()


def test_an_annotator_sees_the_own_work_and_what_is_nobodys(team):
    _submit(team["ann"])
    bob = team["bob"]
    assert {i["id"] for i in bob.ask("GET", "/api/items").json()["items"]} == {2, 3}
    for path in ("", "/edits", "/comments", "/picture/0/0/0"):
        assert bob.ask("GET", f"/api/items/1{path}").status_code == 404, path
    assert _comment(bob, "mine now").status_code == 404
    assert bob.step("submit", 1).status_code == 404
    assert len(team["rob"].ask("GET", "/api/items").json()["items"]) == 3


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ({"text": ""}, "text: String should have at least 1 character"),
        ({"text": "x" * 2001}, "text: String should have at most 2000 characters"),
        ({"text": "x", "at_xy": [900, 1]}, "is outside of the image of 520 x 300"),
        ({"text": "x", "thread": 7}, "has no thread 7"),
        ({"text": "x", "at": 1}, "at: Extra inputs are not permitted"),
    ],
)
def test_a_comment_that_is_none_is_refused(page, comment, message):
    refused = page.ask("POST", "/api/items/1/comments", json=comment)
    assert refused.status_code == 422
    assert message in refused.json()["error"]
    assert page.ask("GET", "/api/items/1/comments").json() == {"comments": []}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("round-robin", {1: "ann", 2: "bob", 3: "ann"}),
        ("queue", {3: "ann", 1: "bob", 2: "ann"}),
        ("group", {1: "ann", 2: "bob", 3: "bob"}),
    ],
)
def test_images_are_dealt_out_by_a_rule(project, team, rule, expected):
    with sqlite3.connect(project.folder / STUDIO_FILE) as store:
        store.execute("UPDATE item SET priority = 5 WHERE id = 3")
        store.execute("UPDATE item SET group_key = CASE id WHEN 1 THEN 'a' ELSE 'b' END")
    store.close()
    body = {"items": [1, 2, 3], "people": ["ann", "bob"], "rule": rule}
    if rule == "group":  # the larger group goes to the first person
        body["people"] = ["bob", "ann"]
    done = team["mia"].ask("POST", "/api/assign", json=body).json()["items"]
    assert {item["id"]: item["annotator"] for item in done} == expected
    freed = team["mia"].ask("POST", "/api/assign", json={"items": [1], "people": []})
    assert freed.json()["items"][0]["annotator"] is None
    wrong = team["mia"].ask("POST", "/api/assign", json={"items": [1], "people": ["zoe"]})
    assert "'zoe' is not a user who paints" in wrong.json()["error"]


def test_pages_hear_of_what_they_may_see_and_who_looks_at_it():
    news, heard = News(), {}
    item = _make_item(annotator="ann")
    people = {n: Person(name=n, role=r, session="") for n, r in ROLES.items()}

    async def listen(name):
        heard[name] = []
        async for text in news.listen(people[name], f"page-of-{name}", lambda: True):
            heard[name].append(text)

    async def talk():
        tasks = [asyncio.create_task(listen(name)) for name in people]
        await asyncio.sleep(0)
        news.look("page-of-rob", people["rob"], item)
        news.tell({"kind": "edit", "item": 1}, item)
        await asyncio.sleep(0)
        assert [seen["person"] for seen in news.list_looks(people["ann"])] == ["rob"]
        assert news.list_looks(people["bob"]) == []
        news.close()
        await asyncio.gather(*tasks)
        assert news.list_looks(people["ann"]) == []

    asyncio.run(talk())
    assert any('"kind": "edit"' in text for text in heard["ann"])
    assert any('"person": "rob"' in text for text in heard["ann"])
    assert not any('"edit"' in text or "rob" in text for text in heard["bob"])


ROLES = {"ann": "annotator", "bob": "annotator", "rob": "reviewer"}


def _make_item(**values):
    fields = dict.fromkeys(Item.__dataclass_fields__)
    return Item(**fields | {"id": 1, "key": "a", "state": "new", "rev": 0} | values)


def test_many_images_are_accepted_and_returned_and_refusals_are_named(team):
    for number, name in ((1, "ann"), (2, "ann"), (3, "rob")):
        team[name].lease(number)
        team[name].draw(0, number, value=1, kind="all")
        team[name].step("submit", 1, number)
    items = [{"item": number, "rev": rev} for number, rev in ((1, 1), (2, 0), (3, 1))]
    done = team["rob"].ask("POST", "/api/steps", json={"verb": "accept", "items": items}).json()
    assert done["images"] == 1
    assert "is at revision 1, not 0; look at it again" in done["refused"][0]
    assert "is your own work; another person accepts it" in done["refused"][1]
    tagged = team["mia"].ask("POST", "/api/tags", json={"name": "a", "items": [1, 2]}).json()
    assert tagged == {"name": "a", "images": 1}
    none = team["mia"].ask("POST", "/api/tags", json={"name": "b", "items": [2, 3]}).json()
    assert none["error"] == "none of 2 images is accepted yet"
    items[1]["rev"] = 1
    done = team["rob"].ask("POST", "/api/steps", json={"verb": "return", "items": items}).json()
    assert done == {"images": 2, "refused": []}
    listed = team["rob"].ask("GET", "/api/items").json()["items"]
    states = {item["id"]: item["state"] for item in listed}
    assert [states[n] for n in (1, 2, 3)] == ["accepted", "returned", "returned"]


def test_next_work_is_not_what_another_person_has_open(team):
    first = team["ann"].ask("POST", "/api/next").json()["id"]
    team["ann"].lease(first)
    second = team["bob"].ask("POST", "/api/next").json()["id"]
    assert (first, second) == (1, 2)
    assert team["ann"].ask("POST", "/api/next").json()["id"] == 1
