"""Host and Origin headers, by which a server refuses other names and pages of other sites."""

from urllib.parse import urlsplit


def find_hostname(host: str) -> str:
    """The name in a Host header, in small letters and without the port.

    "" for an empty header; a header that is none is returned as it is.
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


def is_foreign(origin: str | None, host: str) -> bool:
    """Whether an Origin header names another site than the Host header.

    Programs send none (None); an origin that is not a URL is foreign.
    """
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != host
    except ValueError:
        return True
