"""Alarmist: raises alarms of drift and of the server, and sends each new one by its channels.

A delivery that fails is tried again after half a minute, two, ten, an hour and six; then it is
dead: it stays in the store, and the dashboard shows why. Of several servers with one store, one
raises and one sends each; they should have the same alarms.yaml.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from ...core.observation import TITLES
from ...monitoring.monitor import Status
from ...monitoring.reference import list_scopes
from ...monitoring.window import Window, add_windows
from ...pages.timechart import format_unit
from ...store.alarms import (
    ALARM,
    DEAD,
    JOINS,
    SENT,
    WAITING,
    WARNING,
    Delivery,
    add_deliveries,
    change_delivery,
    end_alarm,
    find_alarm,
    list_due,
    list_joined,
    list_open,
    raise_alarm,
)
from ...store.database import Connection, Database
from ...store.records import (
    RecordFilter,
    list_bundles,
    list_last_times,
    list_uncertain,
)
from ...store.windows import MINUTE_S, list_windows
from .accuracy import NUM_REFERENCE, judge_losses, list_worst, read_losses
from .alarmfile import AlarmFile
from .channels import describe_alarm, send
from .judge import Judged, Statuses, name_drift
from .silence import TOPIC, Source, describe_silence, find_silent

_PAUSES_S = (30.0, 120.0, 600.0, 3600.0, 6 * 3600.0)
_CLAIM_S = 120.0
_LOOK_BACK_S = 600.0
_LEAST_REQUESTS = 20
_NUM_EXAMPLES, _EXAMPLES_S = 3, 3600.0
_LEVELS = (WARNING, ALARM)
_OF_REQUESTS = ("failed", "seconds")
"""How the topics of requests begin."""

_LOSS = "loss"
"""How that of less accuracy begins."""


class Alarmist:
    """What a server tells its operators; each method is called again and again.

    `started` is when the server began, in seconds since 1970.
    """

    def __init__(self, database: Database, file: AlarmFile, started: float = 0.0) -> None:
        self._database = database
        self._file = file
        self._started = started
        self._channels = {channel.title: channel for channel in file.channels}

    def report(self, judged: Judged, before: Statuses) -> None:
        """Raise and end the alarms of one Bundle, by the states of its scopes."""
        changed = [
            (scope, status)
            for scope, status in judged.statuses.items()
            if scope not in before or before[scope].state != status.state
        ]
        if not changed:
            return
        with self._database.write() as connection:  # one message has what changed together
            for scope, status in changed:
                topic = name_drift(judged.bundle, scope)
                if status.state not in _LEVELS:
                    end_alarm(connection, topic, time.time())
                    continue
                finding = _Finding(topic, _describe_drift(judged, status), judged.bundle, scope)
                told = _find_told(connection, judged.bundle, scope, status.state)
                self._raise(connection, finding, status.state, joins=told)

    def check_service(self) -> None:
        """Raise and end the alarms of failing and slow requests, and of silent sources."""
        now = time.time()
        with self._database.read() as connection:
            since = (now - _LOOK_BACK_S) // MINUTE_S * MINUTE_S
            recent = _read_recent(connection, since)
            quiet_s = {one: now - at for one, at in list_last_times(connection)}
        findings: list[_Finding] = []
        for (model, bundle), window in recent.items():
            findings += self._judge_window(model, bundle, window)
        answering = {bundle for _, bundle, _ in quiet_s} | {bundle for _, bundle in recent}
        with self._database.write() as connection:
            self._settle(connection, findings)
            self._settle_silence(connection, quiet_s)
            for one in list_open(connection):
                kind, _, bundle = one.topic.partition(" ")
                if kind in _OF_REQUESTS and bundle not in answering:
                    end_alarm(connection, one.topic, now)  # its Bundle was replaced

    def check_truth(self) -> None:
        """Raise the alarm of a loss that has risen: the one that may wake somebody."""
        with self._database.read() as connection:
            scored = {
                (model, bundle): read_losses(connection, bundle)
                for model, bundle in list_bundles(connection)
            }
        findings: list[_Finding] = []
        for (model, bundle), losses in scored.items():
            risk = judge_losses(losses)
            document = {}
            if risk is not None and risk.alarm_at is not None:
                text = (
                    f"mean IoU by truth {1 - risk.current:.3f}, of the first "
                    f"{NUM_REFERENCE} images with truth {1 - risk.reference:.3f}"
                )
                document = {"title": f"{model} is less accurate", "text": text}
            findings.append(_Finding(f"{_LOSS} {bundle}", document, bundle))
        with self._database.write() as connection:
            self._settle(connection, findings)

    def deliver(self) -> None:
        """Send what is due."""
        now = time.time()
        with self._database.write() as connection:
            due = list_due(connection, now, self._channels)
            for one in due:  # no other server sends it while this one does
                change_delivery(connection, one.n, due=now + _CLAIM_S)
        for one in due:
            reason, is_final = self._send(one)
            with self._database.write() as connection:
                change_delivery(
                    connection, one.n, **_settle_delivery(one, reason, is_final=is_final)
                )

    def _judge_window(self, model: str, bundle: str, window: Window) -> Iterator["_Finding"]:
        """What the requests of ten minutes say of failures and of time."""
        num = window.num + window.failed
        if num < _LEAST_REQUESTS:
            return
        if self._file.failed_share is not None:
            share = window.failed / num
            text = f"{format_unit(share, 'share')} of {num:,} requests in ten minutes failed"
            document = {"title": f"Requests fail: {model}", "text": text}
            is_above = share > self._file.failed_share
            yield _Finding(f"failed {bundle}", document if is_above else {}, bundle)
        if self._file.seconds is not None and window.num:
            p95 = window.find_quantile(0.95)
            text = f"95 % within {format_unit(p95, 'seconds')}, in ten minutes"
            document = {"title": f"Requests are slow: {model}", "text": text}
            is_above = p95 > self._file.seconds
            yield _Finding(f"seconds {bundle}", document if is_above else {}, bundle)

    def _settle(self, connection: Connection, findings: Iterable["_Finding"]) -> None:
        """Raise the alarms that are not open yet, and end those whose cause is over."""
        already = {one.topic for one in list_open(connection)}
        for one in findings:
            if one.document and one.topic not in already:
                self._raise(connection, one, ALARM)
            elif not one.document and one.topic in already:
                end_alarm(connection, one.topic, time.time())

    def _settle_silence(self, connection: Connection, quiet_s: Mapping[Source, float]) -> None:
        """Raise one alarm of the sources that became silent, and end those that are over."""
        already = {one.topic for one in list_open(connection)}
        limit_s = self._file.silence_s
        up_s = time.time() - self._started
        silent = [] if limit_s is None else find_silent(quiet_s, limit_s, already, up_s=up_s)
        new = [one for one in silent if one.topic not in already]
        first: int | None = None
        for index, one in enumerate(new):
            _, bundle, source = one.source
            told = new[index:] if first is None else [one]
            document = describe_silence(told, len(quiet_s))
            scope = source if len(told) == 1 else ""
            finding = _Finding(one.topic, document, bundle, scope)
            number = self._raise(connection, finding, ALARM, joins=first)
            first = number if first is None else first
        for topic in already - {one.topic for one in silent}:
            if topic.startswith(TOPIC):
                end_alarm(connection, topic, time.time())

    def _raise(
        self,
        connection: Connection,
        finding: "_Finding",
        level: str,
        *,
        joins: int | None = None,
    ) -> int | None:
        """Raise an alarm, and send it where it joins no other one; the number of a new one."""
        now = time.time()
        query = urlencode({"span": "24h", "bundle": finding.bundle, "source": finding.scope})
        document = {
            **finding.document,
            **({} if joins is None else {JOINS: joins}),
            "view": f"/watch?{query}",
            "examples": _list_examples(connection, finding, now),
        }
        number = raise_alarm(connection, finding.topic, level, document, now)
        is_sent = level == ALARM or self._file.drift == WARNING
        if number is not None and is_sent and joins is None:
            add_deliveries(connection, number, self._channels, now)
        return number

    def _send(self, one: Delivery) -> tuple[str, bool]:
        with self._database.read() as connection:
            alarm = find_alarm(connection, one.alarm)
            joined = list_joined(connection, one.alarm)
        if alarm is None:
            return "its alarm is gone", True
        channel = self._channels[one.channel]
        return send(channel, describe_alarm(alarm, self._file.link.rstrip("/"), joined))


class _Finding(NamedTuple):
    """What a check says of one topic; `document` is empty where all is well."""

    topic: str
    document: Mapping[str, object]
    bundle: str
    scope: str = ""


def _find_told(connection: Connection, bundle: str, scope: str, level: str) -> int | None:
    """The number of the open alarm of a scope inside or around this one: of the same cause.

    A change of one camera shows in its site and in all images too. What begins in a camera
    after somebody has acknowledged the alarm around it is told anew.
    """
    around = set(list_scopes(scope))
    for one in list_open(connection):
        if not one.topic.startswith(name_drift(bundle, "")) or JOINS in one.document:
            continue
        other = one.topic.removeprefix(name_drift(bundle, ""))
        is_inside = scope in list_scopes(other)
        is_around = other in around and one.acknowledged is None
        is_as_grave = one.level == ALARM or level == WARNING
        if other != scope and is_as_grave and (is_inside or is_around):
            return one.n
    return None


def _settle_delivery(one: Delivery, reason: str, *, is_final: bool) -> Mapping[str, object]:
    """The columns of a delivery after an attempt."""
    if not reason:
        return {"state": SENT, "error": ""}
    is_dead = is_final or one.attempts >= len(_PAUSES_S)
    return {
        "state": DEAD if is_dead else WAITING,
        "attempts": one.attempts + 1,
        "due": time.time() + (0.0 if is_dead else _PAUSES_S[one.attempts]),  # or given up at
        "error": reason,
    }


def _read_recent(connection: Connection, since: float) -> dict[tuple[str, str], Window]:
    """The sums of each model and Bundle since a time."""
    found: dict[tuple[str, str], list[Window]] = {}
    for span, document in list_windows(connection, since=since):
        window = Window.from_json(document, where="the store")
        found.setdefault((span.model, span.bundle), []).append(window)
    return {key: add_windows(windows) for key, windows in found.items()}


def _describe_drift(judged: Judged, status: Status) -> dict[str, object]:
    where = f" of {status.scope}" if status.scope else ""
    what = "have changed" if status.state == ALARM else "may be changing"
    if judged.has_baseline:
        what = "differ from those of its validation"
    text, change = "no family stands out yet", status.change
    if change is not None and change.families:
        text = "; ".join(
            TITLES.get(name, name)
            + "".join(
                f" ({effect.name} {effect.before:.3g} -> {effect.after:.3g})"
                for effect in change.effects.get(name, ())[:1]
            )
            for name in change.families
        )
    title = f"The images{where} that {judged.model} sees {what}"
    return {"title": title, "text": text, "source": status.scope}


def _list_examples(
    connection: Connection, finding: _Finding, now: float
) -> list[dict[str, object]]:
    """The worst images by truth of a risen loss, else the least sure ones of the last hour."""
    if finding.topic.startswith(_LOSS):
        found = list_worst(connection, finding.bundle, _NUM_EXAMPLES)
    else:
        since = now - _EXAMPLES_S
        chosen = RecordFilter(bundle=finding.bundle, scope=finding.scope, since=since)
        found = list_uncertain(connection, chosen, _NUM_EXAMPLES)
    return [
        {
            "key": record.key,
            "source": record.source,
            "at": record.at,
            "confidence": round(1 - record.uncertainty, 4),
            "image": record.image,
        }
        for record in found
    ]
