import re
import sqlite3
import time
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient
from tests.studio_pages import PORT, Page, let_in

from maskwright.core.errors import ConfigError
from maskwright.core.results import STUDIO_FILE
from maskwright.store.chain import list_events
from maskwright.studio.api import make_app
from maskwright.studio.errors import StudioError
from maskwright.studio.guard import Guard
from maskwright.studio.live import News
from maskwright.studio.people import ROLES, LoginLimit, add_user, parse_user
from maskwright.studio.project import open_project

ORIGIN = f"http://127.0.0.1:{PORT}"
DOCS = Path(__file__).parents[2] / "docs/reference/studio_calls.md"
ADDED = (
    *("lease_person", "reviewer", "priority", "reason", "image_key"),
    *("kind", "source_id", "source_rev"),
)
"""Columns of the table of images since version 3."""

STROKE = {"kind": "stroke", "radius": 80, "points": [800, 800]}


@pytest.fixture
def guard(project):
    return Guard(project.store, PORT)


@pytest.fixture
def app(project, guard):
    return make_app(project, guard, News())


@pytest.fixture
def people(project, app, guard):
    """A page of a person of each role, by role; the names have three letters."""
    pages = {}
    for role in ROLES:
        browser = TestClient(app, base_url=ORIGIN)
        browser.cookies[guard.cookie] = let_in(project, role[:3], role)
        pages[role] = Page(browser, f"page-of-{role[:3]}")
    return pages


def _log_in(app, name, password):
    page = Page(TestClient(app, base_url=ORIGIN), f"page-of-{name}")
    answer = page.ask("POST", "/api/login", json={"name": name, "password": password})
    page.answer = answer
    return page


def _read_document(page):
    """All calls, as the OpenAPI document of the application has them."""
    document = page.ask("GET", "/api/openapi.json").json()
    validate(document)
    return [
        (method.upper(), path, call)
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    ]


def _fill(path):
    path = re.sub(r"\{(level|column|row|number)\}", "0", path)
    return re.sub(r"\{\w+\}", "1", path.replace("{shas}", "0" * 64))


def test_each_role_may_call_what_the_openapi_document_says(people, app):
    people["annotator"].lease()
    nobody = Page(TestClient(app, base_url=ORIGIN), "page-of-nobody")
    calls = _read_document(people["viewer"])
    assert len(calls) == sum(route.path.startswith("/api/") for route in app.routes)
    for method, template, call in calls:
        least, path = call["x-role"], _fill(template)
        if least == "everybody":
            continue
        assert nobody.ask(method, path).status_code == 401, path
        for role, page in people.items():
            may = ROLES.index(role) >= ROLES.index(least)
            if may and path in ("/api/events", "/api/logout", "/api/next"):
                continue  # a stream, the end of the session, and 404 where nothing is left
            answer = page.ask(method, path, content=b"")
            if not may:
                assert answer.status_code == 403, (role, path)
                assert f"this is for the role {least} and those above it" in answer.text
            else:
                assert answer.status_code not in (401, 403), (role, path, answer.text)


def test_the_table_of_the_docs_is_that_of_the_openapi_document(people):
    written = re.findall(r"^\| `[A-Z]+ /.*\|$", DOCS.read_text(), re.MULTILINE)
    calls = _read_document(people["viewer"])
    rows = [_make_row(method, path, call) for method, path, call in calls]
    assert written == rows, "the rows are:\n" + "\n".join(rows)


def _make_row(method, path, call):
    more = [
        f"header `{p['name']}`" if p["in"] == "header" else f"`?{p['name']}=`"
        for p in call["parameters"]
        if p["in"] != "path" and p["name"].lower() not in ("x-maskwright", "x-client")
    ]
    for media, body in call.get("requestBody", {}).get("content", {}).items():
        more.append(body["schema"]["$ref"].rpartition("/")[2] if body else media)
    return f"| `{method} {path}` | {call['x-role']} | {'; '.join([call['summary'], *more])} |"


def test_work_goes_back_to_its_annotator_and_another_person_accepts_it(project, app, people):
    let_in(project, "other", "annotator")
    browser = TestClient(app, base_url=ORIGIN)
    browser.cookies[f"maskwright_studio_{PORT}"] = "secret-of-other"
    other, ann = Page(browser, "page-of-other"), people["annotator"]
    ann.lease()
    assert ann.draw(0, **STROKE).status_code == 200
    assert ann.step("submit", 1).json()["annotator"] == "ann"
    assert people["reviewer"].step("return", 1).json()["annotator"] == "ann"
    assert ann.lease(take="end").status_code == 200
    assert "no image has the number 1" in other.lease().text
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
    rev, path = people["reviewer"], "/api/assign"
    rev.lease()
    rev.draw(0, **STROKE)
    rev.step("submit", 1)
    refused = rev.step("accept", 1)
    assert refused.status_code == 403
    assert "is your own work; another person accepts it" in refused.json()["error"]
    wrong = people["manager"].ask("POST", path, json={"items": [1], "people": ["vie"]})
    assert "'vie' is not a user who paints" in wrong.json()["error"]
    assigned = people["manager"].ask("POST", path, json={"items": [1], "people": ["ann"]})
    assert assigned.json()["items"][0]["annotator"] == "ann"
    assert rev.step("accept", 1).json()["state"] == "accepted"


def test_a_login_ends_by_log_out_and_by_a_new_password(project, app, people):
    password = add_user(project.store, "vie", "viewer", actor="local")
    page = _log_in(app, "vie", password)
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


def test_a_session_ends_with_its_time(project, app):
    password = add_user(project.store, "ann", "annotator", actor="local")
    begun = time.time()
    page = _log_in(app, "ann", password)
    hours = 12 * 3600
    with sqlite3.connect(project.folder / STUDIO_FILE) as store:
        ((expires,),) = store.execute("SELECT expires FROM session").fetchall()
        assert begun + hours <= expires <= time.time() + hours
        assert page.ask("GET", "/api/items").status_code == 200
        store.execute("UPDATE session SET expires = expires - ?", [hours + 1])
    store.close()
    assert page.ask("GET", "/api/items").json() == {"error": "log in first", "why": "login"}
    other = _log_in(app, "ann", password)  # forgets the sessions whose time is over
    assert other.ask("GET", "/api/items").status_code == 200
    assert page.ask("GET", "/api/items").status_code == 401


def test_the_link_lets_nobody_in_where_people_log_in(app, guard, people):
    browser = TestClient(app, base_url=ORIGIN)
    browser.get("/", params={"token": guard.token}, follow_redirects=False)
    assert browser.get("/api/items").status_code == 401
    assert browser.get("/").status_code == 200  # the form


def test_after_five_wrong_passwords_the_right_one_waits_too(project, app):
    password = add_user(project.store, "ann", "annotator", actor="local")
    for _ in range(5):
        wrong = _log_in(app, "ann", "guess").answer
        assert wrong.json()["error"] == "the name or the password is wrong"
    late = _log_in(app, "ann", password).answer
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
            "DROP TABLE record;"
            "DROP INDEX ix_item_source_id;"
            + "".join(f"ALTER TABLE item DROP COLUMN {name};" for name in ADDED)
            + "CREATE TABLE session (sha VARCHAR(64) PRIMARY KEY, expires FLOAT NOT NULL);"
            "UPDATE meta SET value = '1' WHERE name = 'version';"
        )
    store.close()
    with open_project(photos) as project:
        assert add_user(project.store, "ann", "viewer", actor="local")
        with project.store.read() as connection:
            assert project.find_item(connection, 1).annotator is None
