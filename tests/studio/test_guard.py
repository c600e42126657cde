import re

import pytest
from starlette.testclient import TestClient

from maskwright.studio.api import make_app
from maskwright.studio.guard import Guard
from maskwright.studio.live import News

ORIGIN = "http://127.0.0.1:8080"


@pytest.fixture
def guard(project):
    return Guard(project.store, 8080)


@pytest.fixture
def app(project, guard):
    return make_app(project, guard, News())


def _calls(app):
    for route in app.routes:
        for method in route.methods - {"HEAD"}:
            path = re.sub(r"\{\w+:int\}", "1", route.path).replace("{shas}", "0" * 64)
            yield method, path.replace("{verb}", "submit").replace("{name}", "studio.js")


def test_the_link_works_once_and_leaves_no_token_in_the_address(app, guard):
    browser = TestClient(app, base_url=ORIGIN)
    token = guard.token
    assert browser.get("/", params={"token": "guess"}).status_code == 401
    let_in = browser.get("/", params={"token": token}, follow_redirects=False)
    assert let_in.status_code == 303
    assert let_in.headers["location"] == "./"  # also behind a proxy that cuts a path off
    cookie = let_in.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.get("/").status_code == 200
    again = TestClient(app, base_url=ORIGIN).get("/", params={"token": token})
    assert again.status_code == 401
    assert "this link was used before" in again.json()["error"]


def test_a_browser_that_is_not_let_in_gets_a_page(app):
    browser = TestClient(app, base_url=ORIGIN, headers={"accept": "text/html"})
    for query in ("", "?token=guess"):
        answer = browser.get(f"/{query}")
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("text/html")
        assert "<h1>The studio does not open here</h1><p>" in answer.text
    assert "maskwright studio again for a new one" in answer.text


def test_every_call_but_the_files_of_the_page_needs_a_session(app):
    browser = TestClient(app, base_url=ORIGIN)
    headers = {"X-Maskwright": "studio", "X-Client": "page-one"}
    asked = list(_calls(app))
    assert len(asked) > 20
    for method, path in asked:
        status = browser.request(method, path, headers=headers).status_code
        open_paths = {"/assets/studio.js": 200, "/api/login": 422}
        assert status == open_paths.get(path, 401), path


def test_other_hosts_and_pages_of_other_sites_are_refused(app, page):
    for method, path in _calls(app):
        foreign = page.ask(method, path, headers={"host": "evil.example:8080"})
        assert foreign.status_code == 400, path
        assert "host 'evil.example:8080' is not served here" in foreign.json()["error"]
        if method != "GET":
            crossed = page.ask(method, path, headers={"origin": "http://evil.example"})
            assert crossed.status_code == 403, path
            plain = page.browser.request(method, path, headers={"X-Client": "page-one"})
            assert plain.status_code == 403, path
    assert page.item()["state"] == "new"
    assert page.ask("POST", "/api/items/1/lease", headers={"origin": ORIGIN}).status_code == 200


def test_every_answer_forbids_foreign_scripts_and_frames(page, app):
    for path in ("/", "/assets/studio.js", "/api/items", "/api/items/99", "/api/items/"):
        headers = page.ask("GET", path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control")]
    html = page.ask("GET", "/").text
    assert re.findall(r"<script[^>]*>", html) == re.findall(r"<script[^>]* src=[^>]*>", html)
    assert not re.search(r"<style|<[^>]+ (on\w+|style)=", html)


def test_what_no_call_answers_is_refused_as_calls_refuse(page):
    for method, path, status in (("GET", "/none", 404), ("PUT", "/api/items", 405)):
        answer = page.ask(method, path)
        assert answer.status_code == status
        assert answer.json() == {
            "error": f"there is no call {method} {path}; /api/openapi.json has all"
        }
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_fault_of_the_studio_is_told_without_its_text(page, app, monkeypatch):
    monkeypatch.setattr("maskwright.studio.calls.images.count_open", lambda _: 1 / 0)
    client = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    client.cookies.update(page.browser.cookies)
    answer = client.get("/api/items")
    assert answer.status_code == 500
    assert "the studio has a fault" in answer.json()["error"]
    assert "division" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["..%2f..%2fapi.py", "%2e%2e", "studio.py", "none.js"])
def test_files_beside_the_page_are_not_served(page, name):
    assert page.ask("GET", f"/assets/{name}").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/items/99", 404),
        ("/api/items/1/picture/9/0/0", 404),
        ("/api/items/1/picture/0/7/0", 404),
        ("/api/tiles/zz", 404),
        ("/api/tiles/" + "0" * 64, 404),
        ("/api/tiles/" + ".".join(["0" * 64] * 65), 404),
    ],
)
def test_what_is_not_there_is_not_found(page, path, status):
    page.item()
    assert page.ask("GET", path).status_code == status


def test_an_edit_without_its_headers_or_too_large_is_refused(page):
    page.lease()
    path = "/api/items/1/edits"
    assert page.ask("POST", path, content=b"{}").status_code == 422  # no length
    sound = b"\x15\0\0\0" + b'{"tool":"","undoes":1}'[:21]
    assert page.ask("POST", path, content=sound).status_code == 422
    big = page.ask("POST", path, content=bytes((64 << 20) + 1))
    assert big.status_code == 413
    assert big.json()["error"] == "the body has at most 67,108,864 bytes"
