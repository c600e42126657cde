import base64
import re

import pytest

from maskwright.core.errors import ConfigError
from maskwright.serving.access import Access, Token, add_token, hash_token, read_tokens
from maskwright.serving.child import Child
from maskwright.serving.docs import TABLE
from maskwright.serving.modelprocess.process import ModelChoice

from .asgi import ask, make_app

TOKENS = [
    Token("anna", hash_token("a-secret"), ("predict",)),
    Token("prometheus", hash_token("m-secret"), ("metrics",)),
    Token("operator", hash_token("o-secret"), ("predict", "metrics", "admin")),
]
ROLES = {"nobody": None, "anna": "a-secret", "prometheus": "m-secret", "operator": "o-secret"}
SCOPES = {"nobody": (), **{token.name: token.scopes for token in TOKENS}}


def _app(log=None, **access):
    lines = [] if log is None else log
    host = access.pop("host", "127.0.0.1")
    child = Child(ModelChoice(path="p", name="m", version="1"))
    return make_app(Access(host, **access), children=[child], log=lines.append)


def _fill(endpoint):
    return re.sub(r"\{(\w+)[^}]*\}", lambda m: {"model": "m"}.get(m[1], "1"), endpoint.path)


def _bearer(token):
    return {} if token is None else {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("endpoint", TABLE, ids=lambda e: f"{e.method} {e.path}")
def test_each_role_reaches_the_endpoints_of_its_scopes_and_no_other(role, endpoint):
    app = _app(tokens=TOKENS, admin=True)
    path = _fill(endpoint)
    answer = ask(app, endpoint.method, path, headers=_bearer(ROLES[role]))
    status = answer.status
    needed = "admin" if endpoint.scope == "operate" else endpoint.scope
    if needed == "" or needed in SCOPES[role]:
        assert status not in {401, 403}
    else:
        assert status == (401 if role == "nobody" else 403)
        assert role == "nobody" or f"lacks the scope '{needed}'" in answer.json["error"]


def test_a_wrong_token_is_none_and_no_token_is_in_the_log():
    log = []
    app = _app(log, tokens=TOKENS)
    for header in ("Bearer wrong-secret", "Basic a-secret", "a-secret", "Bearer "):
        answer = ask(app, "GET", "/v1/models", headers={"authorization": header})
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json == {"error": "a token is needed: Authorization: Bearer TOKEN"}
    ask(app, "GET", "/v1/models", headers=_bearer("a-secret"))
    assert len(log) == 5
    assert "secret" not in str(log)


def _basic(password):
    return {"authorization": f"Basic {base64.b64encode(f'any:{password}'.encode()).decode()}"}


def test_a_browser_gives_the_token_as_a_password_of_the_dashboard_alone():
    app = _app(tokens=TOKENS)
    refused = ask(app, "GET", "/watch")
    assert (refused.status, refused.headers["www-authenticate"]) == (
        401,
        'Basic realm="maskwright"',
    )
    assert ask(app, "GET", "/watch", headers=_basic("m-secret")).status == 501  # has no store
    assert ask(app, "GET", "/watch", headers=_basic("a-secret")).status == 403
    assert ask(app, "GET", "/watch", headers=_basic("wrong")).status == 401
    assert ask(app, "GET", "/watch", headers={"authorization": "Basic !"}).status == 401
    assert ask(app, "GET", "/v1/models", headers=_basic("a-secret")).status == 401


def test_an_operator_acknowledges_without_the_right_to_change_models():
    app = _app(tokens=TOKENS)
    path = "/watch/alarms/1/acknowledge"
    assert ask(app, "POST", path, headers=_bearer("o-secret")).status == 501
    assert ask(app, "POST", path, headers=_bearer("m-secret")).status == 403
    other = _bearer("o-secret") | {"origin": "http://x.example"}
    assert ask(app, "POST", path, headers=other).status == 403


def test_a_token_is_made_once_and_read_back(tmp_path):
    path = tmp_path / "tokens"
    token = add_token(path, "ci:predict,metrics")
    assert read_tokens(path) == [Token("ci", hash_token(token), ("predict", "metrics"))]
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="has a token named 'ci'; remove its line first"):
        add_token(path, "ci:admin")
    with pytest.raises(ConfigError, match="write NAME:SCOPES, with scopes of predict, metr"):
        add_token(path, "ci:root")


@pytest.mark.parametrize("line", ["ci abc predict", "ci " + "0" * 64 + " root", "ci predict"])
def test_a_line_that_is_no_token_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "tokens"
    path.write_text(f"# tokens\n{line}\n")
    with pytest.raises(ConfigError, match=r"tokens:2: expected NAME SHA256 SCOPES"):
        read_tokens(path)


def test_a_public_address_needs_tokens():
    with pytest.raises(
        ConfigError, match="opens the server to other machines, which needs tok"
    ):
        _app(host="0.0.0.0")
    _app(host="0.0.0.0", tokens=TOKENS)


def test_only_this_machine_by_its_own_names_may_call_a_local_server():
    app = _app(allowed_hosts=["segment.example"])
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "segment.example"):
        assert ask(app, "GET", "/health/live", headers={"host": host}).status == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "[::1"):
        answer = ask(app, "GET", "/health/live", headers={"host": host})
        assert answer.status == 400
        assert "is not served here; allow it with --allow-host" in answer.json["error"]


def test_a_page_of_another_site_may_not_post():
    def post(origin):
        return ask(_app(), "POST", "/v1/predict", b"no image", {"origin": origin}).status

    assert post("http://localhost") == 400
    assert post("http://x.example") == post("null") == post("http://[") == 403


def test_a_client_above_its_rate_is_told_when_to_come_again():
    app = _app(rate=0.5)
    statuses = [ask(app, "GET", "/v1/models").status for _ in range(3)]
    assert statuses == [200, 429, 429]
    answer = ask(app, "GET", "/v1/models")
    assert answer.headers["retry-after"] == "2"
    assert answer.json == {"error": "over 0.5 requests per second; come again later"}
    assert ask(app, "GET", "/v1/models", client="10.0.0.1").status == 200
    assert ask(app, "GET", "/health/live").status == 200


def test_models_are_changed_only_where_the_server_allows_it():
    endpoints = [e for e in TABLE if e.scope == "admin"]
    for endpoint in endpoints:
        answer = ask(_app(), endpoint.method, _fill(endpoint))
        assert answer.status == 403
