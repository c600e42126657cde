"""Who keeps whom from painting, what pages are told, and what is next for each role."""

import asyncio

import numpy as np
from tests.studio_pages import make_team

from maskwright.store.chain import list_events
from maskwright.studio.editing import replace_map
from maskwright.studio.live import News
from maskwright.studio.people import LOCAL, Person, add_user

STROKE = {"kind": "stroke", "radius": 40, "points": [800, 800]}
TEAM = {"ann": "annotator", "ben": "annotator", "rob": "reviewer", "mia": "manager"}


def test_an_assigned_image_is_free_for_its_annotator(project):
    team = make_team(project, **TEAM)
    assert team["mia"].lease().json()["lease"]["person"] == "mia"
    assert team["ann"].lease().status_code == 423
    chosen = {"items": [1], "people": ["ann"]}
    assert team["mia"].ask("POST", "/api/assign", json=chosen).status_code == 200
    assert team["ann"].lease().json()["lease"]["person"] == "ann"
    team["mia"].ask("POST", "/api/assign", json=chosen)
    assert team["ann"].item()["lease"]["person"] == "ann"  # who has it keeps it


def test_a_new_password_and_the_end_of_a_session_give_leases_back(project):
    team = make_team(project, **TEAM)
    team["ben"].lease()
    add_user(project.store, "ben", "annotator", actor=LOCAL)
    assert team["ann"].lease().json()["lease"]["person"] == "ann"
    assert team["ann"].ask("POST", "/api/logout").status_code == 200
    assert team["rob"].lease().json()["lease"]["person"] == "rob"


def test_the_first_account_gives_back_what_the_page_without_accounts_had(project, page):
    page.lease()
    add_user(project.store, "root", "admin", actor=LOCAL)
    assert make_team(project, ann="annotator")["ann"].lease().status_code == 200


def test_who_is_removed_is_let_out_and_the_last_admin_stays(project):
    team = make_team(project, **TEAM, root="admin")
    team["ben"].lease()
    root = team["root"]
    assert root.ask("POST", "/api/users/ben/remove").json() == {"name": "ben"}
    assert team["ben"].ask("GET", "/api/items").status_code == 401
    assert team["ann"].lease().status_code == 200
    assert "ben" not in [u["name"] for u in root.ask("GET", "/api/users").json()["users"]]
    assert "no user has the name 'ben'" in root.ask("POST", "/api/users/ben/remove").text
    last = root.ask("POST", "/api/users/root/remove")
    assert last.status_code == 409
    assert "root is the only admin; add another one first" in last.json()["error"]
    with project.store.read() as connection:
        event = list(list_events(connection, verb="user"))[-1]
    assert (event.actor, event.document) == ("root", {"name": "ben", "role": None})


def test_a_consensus_and_an_import_are_nobodys_work(project):
    team = make_team(project, **TEAM)
    team["ann"].lease()
    team["ann"].draw(0, **STROKE)
    with project.store.write() as connection:
        item = project.find_item(connection, 1)
        labels_HW = np.zeros(item.size_HW, np.uint8)
        replace_map(connection, item, labels_HW, {"tool": "import"}, LOCAL)
        item = project.find_item(connection, 1)
        replace_map(connection, item, labels_HW + 1, {"tool": "consensus"}, LOCAL)
    people = team["mia"].ask("GET", "/api/people").json()["people"]
    assert [(p["name"], p["overall"]["edits"]) for p in people] == [("ann", 1)]


def test_next_work_of_a_reviewer_is_what_others_have_submitted(project):
    team = make_team(project, **TEAM)
    for number, name in ((2, "ann"), (1, "rob")):
        team[name].lease(number)
        team[name].draw(0, number, **STROKE)
        team[name].step("submit", 1, number)
    found = team["rob"].ask("POST", "/api/next").json()
    assert (found["id"], found["state"]) == (2, "submitted")
    team["rob"].step("review", 1, 2)
    assert team["rob"].ask("POST", "/api/next").json()["id"] == 2
    assert team["mia"].ask("POST", "/api/next").json()["id"] == 1
    team["rob"].step("accept", 1, 2)
    assert team["rob"].ask("POST", "/api/next").json()["id"] == 3  # nobody's, to label
    assert team["ben"].ask("POST", "/api/next").json()["id"] == 3


def _listen(news, person, is_in, act):
    """Messages that a page gets while `act` runs in this thread."""

    async def run():
        got = []
        note = got.append

        async def read():
            async for text in news.listen(person, "page", is_in):
                note(text)

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        act()
        await asyncio.sleep(0.05)
        reading.cancel()
        return got, reading.done()

    return asyncio.run(run())


def test_who_does_not_see_an_image_any_more_is_told_that_it_is_gone(project):
    team = make_team(project, **TEAM)
    with project.store.read() as connection:
        before = project.find_item(connection, 1)
    team["ann"].lease()
    team["ann"].draw(0, **STROKE)
    with project.store.read() as connection:
        after = project.find_item(connection, 1)
    news = News()
    for name, role in TEAM.items():
        person = Person(name=name, role=role, session="")
        got, _ = _listen(news, person, lambda: True, lambda: news.tell_gone(before, after))
        gone = [text for text in got if '"gone"' in text]
        assert gone == (['data: {"kind": "gone", "item": 1}\n\n'] if name == "ben" else [])


def test_the_stream_of_a_page_ends_with_its_session(monkeypatch):
    monkeypatch.setattr("maskwright.studio.live.BEAT_S", 0.01)
    person = Person(name="ann", role="annotator", session="")
    got, done = _listen(News(), person, lambda: True, lambda: None)
    assert got[:2] == [": open\n\n", ": beat\n\n"]
    assert not done
    got, done = _listen(News(), person, lambda: False, lambda: None)
    assert got == [": open\n\n"]
    assert done
