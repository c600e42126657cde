"""Line 17: an annotator can tell gold from other work neither by answers nor by their time."""

import asyncio
import threading

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient
from tests.studio_pages import PORT, Page, let_in, make_team

from maskwright.store.database import write_meta
from maskwright.store.judgements import list_scores
from maskwright.studio import copies
from maskwright.studio.api import make_app
from maskwright.studio.guard import Guard
from maskwright.studio.live import News

READ = ("", "/edits", "/comments", "/revisions", "/picture/0/0/0", "/shade/errors", "/merge")


@pytest.fixture
def team(project):
    """Image 1 is gold, and comes as one of the first three images of ann."""
    people = make_team(project, ann="annotator", mia="manager", zoe="reviewer")
    mia = people["mia"]
    mia.lease()
    mia.draw(0, value=1, kind="all")
    mia.step("submit", 1)
    people["zoe"].step("accept", 1)
    mia.ask("POST", "/api/items/1/reference", json={"kind": "gold"})
    mia.ask("POST", "/api/settings", json={"copies": 1, "gold_first": 10})
    with project.store.write() as connection:
        write_meta(connection, "seed", "0")
    return people


def _find_kinds(team, numbers):
    items = team["mia"].ask("GET", "/api/items").json()["items"]
    kinds = {item["id"]: item["kind"] for item in items}
    return [kinds[number] for number in numbers]


@pytest.fixture
def statements():
    """The statements that were sent to the store, as they come."""
    sent = []

    def note(_connection, _cursor, statement, *_rest):
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def _work(page, statements):
    """Label the next image; each call with its status, keys of JSON, and statements."""
    calls = []

    def ask(name, call):
        statements.clear()
        answer = call()
        is_json = answer.headers["content-type"] == "application/json"
        keys = sorted(answer.json()) if is_json else []
        calls.append((name, answer.status_code, keys, list(statements)))
        return answer

    number = ask("next", lambda: page.ask("POST", "/api/next")).json()["id"]
    for path in READ:
        method = "POST" if path == "/merge" else "GET"
        ask(path, lambda m=method, p=path: page.ask(m, f"/api/items/{number}{p}"))
    ask("lease", lambda: page.lease(number))
    ask("edit", lambda: page.draw(0, number, value=2, kind="all"))
    ask("undo", lambda: page.edit({"undoes": 1}, 1, number=number))
    ask("list", lambda: page.ask("GET", "/api/items"))
    return number, calls


def test_each_call_on_gold_sends_the_statements_and_keys_of_other_work(team, statements):
    numbers, works = [], []
    for _ in range(3):
        number, calls = _work(team["ann"], statements)
        team["ann"].step("submit", 2, number)
        numbers.append(number)
        works.append(calls)
    kinds = _find_kinds(team, numbers)
    assert sorted(kinds) == ["copy", "copy", "gold"]
    first_copy = works[kinds.index("copy", 1)]
    gold = works[kinds.index("gold")]
    for mine, others in zip(gold, first_copy, strict=True):
        name, status, keys, sent = mine
        assert (status, keys) == others[1:3], name
        if name != "next":  # which looks for one of the two
            assert sent == others[3], name


def test_gold_is_scored_after_the_answer_while_others_write(project, monkeypatch, team):
    guard, happened = Guard(project.store, PORT), []
    app = make_app(project, guard, News())

    async def note_answers(scope, receive, send):
        async def note(message):
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                happened.append(scope["path"])

        await app(scope, receive, note)

    def count(*arguments):
        def write():
            with project.store.write() as connection:
                write_meta(connection, "written", "1")
            happened.append("another writes")

        other = threading.Thread(target=write)
        other.start()
        other.join(30)
        happened.append("counted")
        return count_errors(*arguments)

    count_errors = copies.count_errors
    monkeypatch.setattr(copies, "count_errors", count)
    browser = TestClient(note_answers, base_url=f"http://127.0.0.1:{PORT}")
    browser.cookies[guard.cookie] = let_in(project, "ann", "annotator")
    ann = Page(browser, "page-of-ann")
    for _ in range(3):
        number = ann.ask("POST", "/api/next").json()["id"]
        ann.lease(number)
        ann.draw(0, number, value=1, kind="all")
        happened.clear()
        submit = f"/api/items/{number}/steps/submit"
        assert ann.step("submit", 1, number).json()["state"] == "submitted"
        is_gold = _find_kinds(team, [number]) == ["gold"]
        assert happened[:3] == [submit, "another writes", "counted"][: 1 + 2 * is_gold]
        if is_gold:
            return
    raise AssertionError("gold did not come")


def test_copies_that_were_submitted_before_the_studio_ended_are_judged_and_merged(
    project, team, monkeypatch
):
    async def end(_self, _item, _verb):
        await asyncio.sleep(0)

    monkeypatch.setattr("maskwright.studio.calls.review.Review._follow", end)
    ann, numbers = team["ann"], []
    for _ in range(3):
        numbers.append(ann.ask("POST", "/api/next").json()["id"])
        ann.lease(numbers[-1])
        ann.draw(0, numbers[-1], value=2, kind="all")
        ann.step("submit", 1, numbers[-1])
    for _ in range(2):  # the second time, nothing is left
        copies.follow_submitted(project)
    with project.store.read() as connection:
        scores = [(score.kind, score.item_id) for score in list_scores(connection)]
    gold = numbers[_find_kinds(team, numbers).index("gold")]
    assert scores == [("gold", gold)]
    states = {n: team["mia"].item(n)["state"] for n in (2, 3)}
    assert states == {2: "submitted", 3: "submitted"}
    assert [team["mia"].item(n)["rev"] for n in (1, 2, 3)] == [1, 1, 1]
    assert (team["mia"].read_map(2) == 2).all()
