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
    Alarm,
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
    list_truth_counts,
    list_uncertain,
)
from ...store.windows import MINUTE_S, list_windows
from .accuracy import NUM_REFERENCE, judge_losses
from .alarmfile import AlarmFile
from .channels import describe_alarm, send
from .judge import Judged, Statuses, name_drift

_PAUSES_S = (30.0, 120.0, 600.0, 3600.0, 6 * 3600.0)
_CLAIM_S = 120.0
_LOOK_BACK_S = 600.0
_LEAST_REQUESTS = 20
_NUM_EXAMPLES, _EXAMPLES_S = 3, 3600.0
_LEVELS = (WARNING, ALARM)


class Alarmist:
    """What a server tells its operators; each method is called again and again."""

    def __init__(self, database: Database, file: AlarmFile) -> None:
        self._database = database
        self._file = file
        self._channels = {channel.title: channel for channel in file.channels}

    def report(self, judged: Judged, before: Statuses) -> None:
        """Raise and end the alarms of one Bundle, by the states of its scopes."""
        for scope, status in judged.statuses.items():
            topic = name_drift(judged.bundle, scope)
            known = before.get(scope)
            if known is not None and known.state == status.state:
                continue
            if status.state in _LEVELS:
                document = _describe_drift(judged, status)
                self._raise(topic, status.state, document, judged.bundle, scope, may_join=True)
            else:
                self._end(topic)

    def check_service(self) -> None:
        """Raise and end the alarms of failing and slow requests, and of silent sources."""
        now = time.time()
        with self._database.read() as connection:
            since = (now - _LOOK_BACK_S) // MINUTE_S * MINUTE_S
            recent = _read_recent(connection, since)
            last = list_last_times(connection) if self._file.silence_s else []
        findings: list[_Finding] = []
        for (model, bundle), window in recent.items():
            findings += self._judge_window(model, bundle, window)
        for (model, bundle, source), at in last:
            quiet_s = now - at
            limit_s = self._file.silence_s or 0.0
            text = f"no image for {quiet_s / 60:.0f} minutes" if quiet_s > limit_s else ""
            topic, title = f"silence {bundle} {source}", f"{source or model} is silent"
            findings.append(_Finding(topic, title, text, bundle, source))
        self._settle(findings)

    def check_truth(self) -> None:
        """Raise the alarm of a loss that has risen: the one that may wake somebody."""
        with self._database.read() as connection:
            scored = {
                (model, bundle): list_truth_counts(connection, bundle)
                for model, bundle in list_bundles(connection)
            }
        findings: list[_Finding] = []
        for (model, bundle), scores in scored.items():
            risk = judge_losses(scores)
            text = ""
            if risk is not None and risk.alarm_at is not None:
                text = (
                    f"mean IoU by truth {1 - risk.current:.3f}, of the first "
                    f"{NUM_REFERENCE} images with truth {1 - risk.reference:.3f}"
                )
            title = f"{model} is less accurate"
            findings.append(_Finding(f"loss {bundle}", title, text, bundle))
        self._settle(findings)

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
            text = text if share > self._file.failed_share else ""
            yield _Finding(f"failed {bundle}", f"Requests fail: {model}", text, bundle)
        if self._file.seconds is not None and window.num:
            p95 = window.find_quantile(0.95)
            text = f"95 % within {format_unit(p95, 'seconds')}, in ten minutes"
            text = text if p95 > self._file.seconds else ""
            yield _Finding(f"seconds {bundle}", f"Requests are slow: {model}", text, bundle)

    def _settle(self, findings: Iterable["_Finding"]) -> None:
        """Raise the alarms that are not open yet, and end those whose cause is over."""
        with self._database.read() as connection:
            already = {one.topic for one in list_open(connection)}
        for one in findings:
            if one.text and one.topic not in already:
                document = {"title": one.title, "text": one.text}
                self._raise(one.topic, ALARM, document, one.bundle, one.scope)
            elif not one.text and one.topic in already:
                self._end(one.topic)

    def _raise(
        self,
        topic: str,
        level: str,
        document: Mapping[str, object],
        bundle: str,
        scope: str,
        *,
        may_join: bool = False,
    ) -> None:
        """Raise an alarm; one that may join an alarm of the same cause is not sent then."""
        now = time.time()
        query = urlencode({"span": "24h", "bundle": bundle, "source": scope})
        with self._database.write() as connection:
            told = _find_told(connection, bundle, scope, level) if may_join else None
            whole = {
                **document,
                **({} if told is None else {JOINS: told.n}),
                "view": f"/watch?{query}",
                "examples": _list_examples(connection, bundle, scope, now),
            }
            number = raise_alarm(connection, topic, level, whole, now)
            is_sent = level == ALARM or self._file.drift == WARNING
            if number is not None and is_sent and told is None:
                add_deliveries(connection, number, self._channels, now)

    def _end(self, topic: str) -> None:
        with self._database.write() as connection:
            end_alarm(connection, topic, time.time())

    def _send(self, one: Delivery) -> tuple[str, bool]:
        with self._database.read() as connection:
            alarm = find_alarm(connection, one.alarm)
            joined = list_joined(connection, one.alarm)
        if alarm is None:
            return "its alarm is gone", True
        channel = self._channels[one.channel]
        return send(channel, describe_alarm(alarm, self._file.link.rstrip("/"), joined))


class _Finding(NamedTuple):
    """What a check says of one topic; `text` is "" where all is well."""

    topic: str
    title: str
    text: str
    bundle: str
    scope: str = ""


def _find_told(connection: Connection, bundle: str, scope: str, level: str) -> Alarm | None:
    """The open alarm of a scope inside or around this one, which has told of the same cause.

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
            return one
    return None


def _settle_delivery(one: Delivery, reason: str, *, is_final: bool) -> Mapping[str, object]:
    """The columns of a delivery after an attempt."""
    if not reason:
        return {"state": SENT, "error": ""}
    if is_final or one.attempts >= len(_PAUSES_S):
        return {"state": DEAD, "attempts": one.attempts + 1, "error": reason}
    due = time.time() + _PAUSES_S[one.attempts]
    return {"state": WAITING, "attempts": one.attempts + 1, "due": due, "error": reason}


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
    connection: Connection, bundle: str, scope: str, now: float
) -> list[dict[str, object]]:
    """The images of the last hour of which the model is least sure."""
    chosen = RecordFilter(bundle=bundle, scope=scope, since=now - _EXAMPLES_S)
    return [
        {
            "key": record.key,
            "source": record.source,
            "at": record.at,
            "confidence": round(1 - record.uncertainty, 4),
            "image": record.image,
        }
        for record in list_uncertain(connection, chosen, _NUM_EXAMPLES)
    ]
