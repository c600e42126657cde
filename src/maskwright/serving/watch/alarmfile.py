"""Read alarms.yaml: beside drift, what is an alarm, and by which channels alarms are sent.

    link: https://watch.example          # in front of /watch, in messages
    drift: warning                       # the least level that is sent; alarm where left out
    failed: 5%                           # of the requests of ten minutes
    seconds: 0.5                         # that 95 % of the requests of ten minutes may take
    silence: 1h                          # a source that sends nothing for so long
    allow_hosts: [hooks.example, mail.example]
    channels:
      - {webhook: "https://hooks.example/abc", name: chat}
      - email: [ops@example.com]
        sender: maskwright@example.com
        server: mail.example:587
        user: maskwright
        password: {environment: MAIL_PASSWORD}
      - command: [/usr/local/bin/light, "on"]

A webhook gets the alarm as JSON, and so does a command on its standard input.
"""

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from ...core.duration import budget_seconds
from ...core.errors import ConfigError
from ...core.strictmodel import StrictModel
from ...core.versioned import Schema
from ...core.yamlfile import name_line, read_yaml, validate_yaml

SCHEMA = Schema(kind="alarms.yaml", version=1, unversioned=1, error=ConfigError, key="version")

_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[A-Za-z0-9.-]+")
_SERVER = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}")


class Secret(StrictModel):
    """A secret that is not in the file: the name of a variable of the environment."""

    environment: str


class Channel(StrictModel):
    """One way in which alarms are sent: exactly one of webhook, email and command."""

    name: str | None = None
    webhook: str | None = None
    email: tuple[str, ...] = ()
    sender: str | None = None
    server: str | None = None
    user: str | None = None
    password: Secret | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    command: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _require_one_kind(self) -> Self:
        given = [self.webhook is not None, bool(self.email), bool(self.command)]
        if sum(given) != 1:
            raise ValueError("a channel has one of webhook, email and command")
        if self.webhook is not None:
            parts = urlsplit(self.webhook)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    "webhook: give an address that begins with https:// or http://"
                )
        if self.email:
            for address in (*self.email, self.sender or ""):
                if not _ADDRESS.fullmatch(address):
                    raise ValueError(f"email and sender: {address!r} is not an address")
            if not _SERVER.fullmatch(self.server or ""):
                raise ValueError("email: name its server as HOST:PORT")
        return self

    @property
    def host(self) -> str | None:
        """The machine that it sends to; None for a command."""
        if self.webhook is not None:
            return urlsplit(self.webhook).hostname
        return None if self.server is None else self.server.rpartition(":")[0]

    @property
    def title(self) -> str:
        """Its name, else its kind and its host: the rest of an address may be secret."""
        if self.name is not None:
            return self.name
        if self.command:
            return f"command {Path(self.command[0]).name}"
        return f"{'webhook' if self.webhook else 'email'} {self.host}"


class AlarmFile(StrictModel):
    """The whole file."""

    link: str = ""
    drift: Literal["warning", "alarm"] = "alarm"
    failed: str | None = None
    seconds: float | None = Field(default=None, gt=0)
    silence: str | None = None
    allow_hosts: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()

    @field_validator("failed")
    @classmethod
    def _require_share(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"\d+(\.\d+)?\s*%", text):
            raise ValueError("expected a share such as 5%")
        return text

    @model_validator(mode="after")
    def _require_allowed_hosts(self) -> Self:
        titles = [channel.title for channel in self.channels]
        for channel in self.channels:
            if channel.host is not None and channel.host not in self.allow_hosts:
                raise ValueError(f"add {channel.host} to allow_hosts to send to it")
            if titles.count(channel.title) > 1:
                raise ValueError(f"two channels are called {channel.title!r}; name them")
        return self

    @property
    def failed_share(self) -> float | None:
        """`failed` as a share of 1."""
        return None if self.failed is None else float(self.failed.rstrip("% ")) / 100

    @property
    def silence_s(self) -> float | None:
        """`silence` in seconds."""
        return budget_seconds(self.silence, option="silence")


def read_alarm_file(path: Path) -> AlarmFile:
    """Read the file.

    Raises:
        ConfigError: Not such a file; the message names the line and the key.
        DataError: It cannot be read.
    """
    document = SCHEMA.read(read_yaml(path), where=str(path))
    found = validate_yaml(document, AlarmFile, path=path)
    with name_line(path, ("silence",)):
        budget_seconds(found.silence, option="silence")
    return found
