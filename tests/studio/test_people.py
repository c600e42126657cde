import re
import sqlite3
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.studio_pages import PORT, Page

from maskwright.core.errors import ConfigError
from maskwright.store.chain import list_events
from maskwright.studio.api import Calls, list_routes, make_app
from maskwright.studio.errors import StudioError
from maskwright.studio.guard import Guard
from maskwright.studio.live import News
from maskwright.studio.people import ROLES, LoginLimit, add_user, parse_user
from maskwright.studio.project import open_project

ORIGIN = f"http://127.0.0.1:{PORT}"
DOCS = Path(__file__).parents[2] / "docs/howto/studio.md"
STROKE = {"kind": "stroke", "radius": 80, "points": [800, 800]}


@pytest.fixture
def passwords(project):
    return {role: add_user(project.store, role[:3], role, actor="local") for role in ROLES}


@pytest.fixture
def guard(project):
    return Guard(project.store, PORT)


@pytest.fixture
def app(project, guard, passwords):
    return make_app(project, guard, News())


@pytest.fixture
def people(app, passwords):
    return {role: _log_in(app, role[:3], passwords[role]) for role in ROLES}


def _log_in(app, name, password):
    page = Page(TestClient(app, base_url=ORIGIN), f"page-of-{name}")
    answer = page.ask("POST", "/api/login", json={"name": name, "password": password})
    page.answer = answer
    return page


def _list_calls(project, guard):
    for method, path, role, _ in list_routes(Calls(project, guard, News())):
        numbers = re.sub(r"\{(level|column|row):int\}", "0", path).replace("{item:int}", "1")
        yield method, numbers.format(shas="0" * 64, name="studio.js"), role


def test_each_role_may_call_what_the_table_of_routes_says(project, guard, people, app):
    people["annotator"].lease()
    nobody = Page(TestClient(app, base_url=ORIGIN), "page-of-nobody")
    asked = 0
    for method, path, least in _list_calls(project, guard):
        if least is None or path in ("/api/events", "/api/logout"):
            continue
        assert nobody.ask(method, path).status_code == 401, path
        for role, page in people.items():
            refused = ROLES.index(role) < ROLES.index(least)
            answer = page.ask(method, path, content=b"")
            asked += 1
            if refused:
                assert answer.status_code == 403, (role, path)
                assert f"this is for the role {least} and those above it" in answer.text
            else:
                assert answer.status_code not in (401, 403), (role, path, answer.text)
    assert asked == 5 * 15


def test_the_table_of_the_docs_is_that_of_the_routes(project, guard):
    rows = re.findall(r"^\| `(GET|POST) (/\S*?)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    written = {(method, path.replace("SHA.SHA", "0" * 64), role) for method, path, role in rows}
    routes = {
        (method, path, least)
        for method, path, least in _list_calls(project, guard)
        if path.startswith("/api/")
    }
    assert written == {(method, path, least or "everybody") for method, path, least in routes}


def test_work_goes_back_to_its_annotator_and_another_person_accepts_it(project, app, people):
    password = add_user(project.store, "other", "annotator", actor="adm")
    other, ann = _log_in(app, "other", password), people["annotator"]
    ann.lease()
    assert ann.draw(0, **STROKE).status_code == 200
    assert ann.step("submit", 1).json()["annotator"] == "ann"
    assert people["reviewer"].step("return", 1).json()["annotator"] == "ann"
    assert ann.lease(take="end").status_code == 200
    assert "is the work of ann; a manager can assign it to you" in other.lease().text
    ann.lease()
    assert ann.draw(1, value=2, **STROKE).status_code == 200
    ann.step("submit", 2)
    assert people["reviewer"].step("accept", 2).json()["state"] == "accepted"
    assert "is accepted and not changed" in ann.draw(2, **STROKE).text
    with project.store.read() as connection:
        done = [(e.actor, e.verb) for e in list_events(connection, item_id=1)]
    rev, work = "rev", [("ann", "edit"), ("ann", "submit")]
    assert done == [("local", "open"), *work, (rev, "return"), *work, (rev, "accept")]


def test_nobody_accepts_the_own_work_and_a_manager_assigns(people):
    rev, path = people["reviewer"], "/api/items/1/annotator"
    rev.lease()
    rev.draw(0, **STROKE)
    rev.step("submit", 1)
    refused = rev.step("accept", 1)
    assert refused.status_code == 403
    assert "is your own work; another person accepts it" in refused.json()["error"]
    wrong = people["manager"].ask("POST", path, json={"annotator": "vie"})
    assert "'vie' is not a user who paints" in wrong.json()["error"]
    assigned = people["manager"].ask("POST", path, json={"annotator": "ann"})
    assert assigned.json()["annotator"] == "ann"
    assert rev.step("accept", 1).json()["state"] == "accepted"


def test_a_login_ends_by_log_out_and_by_a_new_password(project, app, people):
    page = people["viewer"]
    cookie = page.answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert page.ask("GET", "/api/project").json()["person"] == {"name": "vie", "role": "viewer"}
    again = people["admin"].ask("POST", "/api/users", json={"name": "vie", "role": "manager"})
    assert page.ask("GET", "/api/project").json() == {"error": "log in first", "why": "login"}
    page = _log_in(app, "vie", again.json()["password"])
    assert page.ask("GET", "/api/project").json()["person"]["role"] == "manager"
    page.ask("POST", "/api/logout")
    assert page.ask("GET", "/api/items").status_code == 401


def test_the_link_lets_nobody_in_where_people_log_in(app, guard):
    browser = TestClient(app, base_url=ORIGIN)
    browser.get("/", params={"token": guard.token}, follow_redirects=False)
    assert browser.get("/api/items").status_code == 401
    assert browser.get("/").status_code == 200  # the form


def test_after_five_wrong_passwords_the_right_one_waits_too(app, passwords):
    for _ in range(5):
        wrong = _log_in(app, "ann", "guess").answer
        assert wrong.json()["error"] == "the name or the password is wrong"
    late = _log_in(app, "ann", passwords["annotator"]).answer
    assert late.status_code == 429
    assert "5 wrong logins; try again in" in late.json()["error"]


def test_the_limit_counts_five_minutes_for_each_key():
    limit = LoginLimit()
    for now_s in range(5):
        limit.require_free(("a",), now_s)
        limit.add_failure(("a",), now_s)
    with pytest.raises(StudioError, match="try again in 200 s"):
        limit.require_free(("b", "a"), 100.0)
    limit.require_free(("b",), 100.0)
    limit.require_free(("a",), 300.0)


@pytest.mark.parametrize("text", ["ann", ":viewer", "a b:viewer", "local:admin", "ann:boss"])
def test_a_user_is_named_as_name_and_role(text):
    with pytest.raises(ConfigError, match=r"NAME:ROLE|the role is one of viewer, annotator"):
        parse_user(text)
    assert parse_user("ann@lab.org:viewer") == ("ann@lab.org", "viewer")


def test_a_public_studio_is_asked_by_addresses_and_its_own_names(project):
    guard = Guard(project.store, PORT, ("lab", "localhost"), is_public=True)
    for host in ("192.0.2.7:8080", "[2001:db8::1]:8080", "lab:8080"):
        guard.require_own_page("GET", {"host": host})
    with pytest.raises(StudioError, match=r"host 'evil.example' is not served here; use lab"):
        guard.require_own_page("GET", {"host": "evil.example"})


def test_a_store_of_the_version_before_users_is_opened(photos):
    with open_project(photos, classes=["road"]):
        pass
    with sqlite3.connect(photos / "studio/studio.sqlite") as store:
        store.executescript(
            "ALTER TABLE item DROP COLUMN annotator; DROP TABLE user; DROP TABLE session;"
            "CREATE TABLE session (sha VARCHAR(64) PRIMARY KEY, expires FLOAT NOT NULL);"
            "UPDATE meta SET value = '1' WHERE name = 'version';"
        )
    store.close()
    with open_project(photos) as project:
        assert add_user(project.store, "ann", "viewer", actor="local")
        with project.store.read() as connection:
            assert project.find_item(connection, 1).annotator is None
