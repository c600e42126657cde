import pytest

from maskwright.core.httphost import find_hostname, is_foreign


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Localhost:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("", ""),
        (":80", ""),
        ("[::1", "[::1"),
        ("a@b.example", "b.example"),
    ],
)
def test_the_name_is_that_of_the_header_without_its_port(host, name):
    assert find_hostname(host) == name


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        (None, False),
        ("http://a.example:80", False),
        ("https://a.example:80", False),
        ("http://a.example", True),
        ("http://b.example:80", True),
        ("null", True),
        ("", True),
        ("http://[", True),
    ],
)
def test_an_origin_is_foreign_unless_it_is_the_host_with_its_port(origin, foreign):
    assert is_foreign(origin, "a.example:80") is foreign
