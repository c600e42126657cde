"""Channels: send one alarm once, by HTTP, by mail or by a command."""

import json
import os
import smtplib
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from ...core.errors import first_line
from ...core.versioned import Document
from ...measurement.events.webhook import post_json
from ...pages.text import list_names
from ...store.alarms import Alarm
from .alarmfile import Channel

_TIMEOUT_S, _COMMAND_S = 10.0, 30.0
_MOST_NAMED = 20
"""Parts of the images that `text` names; `also` has all."""


def describe_alarm(alarm: Alarm, link: str, joined: Sequence[Alarm] = ()) -> Document:
    """What a channel is given: `text` is for people, all else for programs.

    `joined` are alarms of the same cause, of larger or smaller parts of the images.
    """
    document = alarm.document
    text = f"{alarm.level}: {document.get('title', alarm.topic)}. {document.get('text', '')}"
    also = [str(one.document.get("source") or "all images") for one in joined]
    if also:
        text = f"{text.strip()}. The same in {list_names(also, most=_MOST_NAMED)}"
    return {
        "alarm": alarm.n,
        "level": alarm.level,
        "topic": alarm.topic,
        "began_s": alarm.began,
        "text": text.strip(),
        "also": also,
        "examples": list(document.get("examples", [])),
        "link": f"{link}{document.get('view', '')}" if link else None,
    }


def send(
    channel: Channel, document: Document, environment: Mapping[str, str] = os.environ
) -> tuple[str, bool]:
    """Send once; the reason of a failure, and whether another attempt is of no use."""
    if channel.webhook is not None:
        return post_json(channel.webhook, json.dumps(document).encode(), _TIMEOUT_S)
    if channel.command:
        return _run(channel, document)
    return _mail(channel, document, environment)


def _run(channel: Channel, document: Document) -> tuple[str, bool]:
    """Run a command; its arguments are those of the file, the alarm is its standard input."""
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            channel.command,
            input=json.dumps(document).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {_COMMAND_S:g} s", False
    except OSError as error:
        return f"cannot be run: {error.strerror}", True
    if done.returncode == 0:
        return "", False
    said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
    return f"ended with status {done.returncode} {said}".strip(), False


def make_mail(channel: Channel, document: Document) -> EmailMessage:
    """The mail of an alarm; nothing that comes from images is in its head."""
    mail = EmailMessage()
    mail["Subject"] = f"maskwright: {document['level']} {document['alarm']}"
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.email)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=(channel.sender or "").rpartition("@")[2])
    lines = [document["text"], document["link"] or ""]
    lines += [
        f"{datetime.fromtimestamp(example['at'], UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}  "
        f"{example['source'] or '-'}  {example['key']}  {example['confidence']:.1%} confident"
        for example in document["examples"]
    ]
    mail.set_content("\n".join(lines))
    return mail


def _mail(
    channel: Channel, document: Document, environment: Mapping[str, str]
) -> tuple[str, bool]:
    host, _, port = (channel.server or "").rpartition(":")
    context = ssl.create_default_context()
    try:
        server = (
            smtplib.SMTP_SSL(host, int(port), timeout=_TIMEOUT_S, context=context)
            if channel.tls == "tls"
            else smtplib.SMTP(host, int(port), timeout=_TIMEOUT_S)
        )
        with server:
            if channel.tls == "starttls":
                server.starttls(context=context)
            if channel.user is not None and channel.password is not None:
                server.login(channel.user, environment.get(channel.password.environment, ""))
            server.send_message(make_mail(channel, document))
    except (OSError, smtplib.SMTPException) as error:
        return first_line(error), False
    return "", False
