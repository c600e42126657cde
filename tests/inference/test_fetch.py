"""The standard input and addresses as inputs: what is fetched, and what never is."""

import io
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.inference import fetch
from maskwright.inference.fetch import fetch_inputs

PNG = b"\x89PNG and so on"


def fetched(*inputs, stdin=b"", **options):
    with fetch_inputs(inputs, stdin=io.BytesIO(stdin), **options) as paths:
        return [(path, path.read_bytes() if path.exists() else None) for path in paths]


def test_paths_stay_as_they_are():
    assert fetched("a.png", "b/") == [(Path("a.png"), None), (Path("b"), None)]


def test_the_standard_input_is_a_list_of_paths():
    paths = fetched("first.png", "-", stdin=b"a b.png\nc.png\r\n\n")
    assert [str(path) for path, _ in paths] == ["first.png", "a b.png", "c.png"]


def test_the_standard_input_is_one_image():
    ((path, content),) = fetched("-", stdin=PNG)
    assert path.name == "stdin.png"
    assert content == PNG
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00binary", "neither an image .* nor a list of paths, one per line; give"),
        (b" \n", "standard input: is empty; expected an image or a list of paths"),
    ],
)
def test_a_standard_input_of_anything_else_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        fetched("-", stdin=content)


def test_an_address_is_fetched_only_when_allowed():
    opened = []

    def open_address(address):
        opened.append(address)
        return io.BytesIO(PNG)

    address = "https://example.org/photos/a%20b.png?size=big"
    with pytest.raises(ConfigError, match="is an address; allow to fetch it"):
        fetched(address, open_address=open_address)
    with pytest.raises(ConfigError, match="is an address; allow to fetch it"):
        fetched("-", stdin=address.encode(), open_address=open_address)
    assert opened == []
    ((path, content),) = fetched(address, allow_download=True, open_address=open_address)
    assert (path.name, content) == ("a b.png", PNG)
    assert not path.exists()


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "s3"])
def test_no_other_scheme_is_fetched(scheme):
    with pytest.raises(ConfigError, match=f"only https is fetched, not {scheme}; download"):
        fetched(f"{scheme}://example.org/a.png", allow_download=True)


def test_a_redirect_to_another_scheme_is_refused():
    redirects = fetch._HttpsRedirects()
    request = Request("https://example.org/a.png")
    with pytest.raises(ConfigError, match="only https is fetched, not http"):
        redirects.redirect_request(request, io.BytesIO(), 302, "", {}, "http://localhost/a.png")
    followed = redirects.redirect_request(
        request, io.BytesIO(), 302, "", {}, "https://example.org/b.png"
    )
    assert followed.full_url == "https://example.org/b.png"


def test_a_fetch_ends_at_the_limits(monkeypatch):
    monkeypatch.setattr(fetch, "MOST_BYTES", 4)
    with pytest.raises(DataError, match="over 4 bytes"):
        fetched(
            "https://a.org/a.png", allow_download=True, open_address=lambda _: io.BytesIO(PNG)
        )
    monkeypatch.setattr(fetch, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(fetch, "LIMIT_S", -1.0)
    with pytest.raises(DataError, match="not complete after -1 s"):
        fetched(
            "https://a.org/a.png", allow_download=True, open_address=lambda _: io.BytesIO(PNG)
        )


def test_what_cannot_be_fetched_is_named():
    def fail(address):
        raise URLError("no route to host")

    with pytest.raises(DataError, match="cannot be fetched: no route to host; check the addr"):
        fetched("https://a.org/a.png", allow_download=True, open_address=fail)
    with pytest.raises(DataError, match="its name does not end as that of an image"):
        fetched("https://a.org/index.html", allow_download=True)
