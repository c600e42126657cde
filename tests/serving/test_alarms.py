"""Alarms: raised once, sent by every channel, given up with their reason."""

import json
import re
import socketserver
import sys
import threading
import time
from dataclasses import replace

import pytest

from maskwright.core.errors import ConfigError
from maskwright.monitoring.drift import Effect
from maskwright.monitoring.monitor import Change, Status
from maskwright.serving.watch import alarmist as telling
from maskwright.serving.watch.alarmfile import AlarmFile, Channel, read_alarm_file
from maskwright.serving.watch.alarmist import Alarmist
from maskwright.serving.watch.channels import describe_alarm, make_mail, send
from maskwright.serving.watch.judge import Judged
from maskwright.serving.watch.recorder import Failure, add_to_windows, sum_by_minute
from maskwright.store.alarms import (
    DEAD,
    acknowledge,
    add_deliveries,
    end_alarm,
    list_alarms,
    list_due,
    list_failed,
    raise_alarm,
)
from maskwright.store.records import add_records

from .records import BUNDLE, make_record

YAML = """
link: https://watch.example/
drift: warning
failed: 5%
seconds: 0.5
silence: 1h
allow_hosts: [127.0.0.1]
channels:
  - {webhook: "http://127.0.0.1:9/abc", name: chat}
  - command: [/bin/light, "on"]
"""


def _status(state, scope):
    effect = Effect(name="car", before=0.041, after=0.068, interval=(0.02, 0.03), size=3.0)
    change = Change(p_values={"classes": 0.01, "image": 0.5}, effects={"classes": (effect,)})
    return Status(
        scope=scope,
        state=state,
        evidence=1.2,
        sums=1.0,
        num_groups=40,
        num_reference=60,
        group_size=8,
        since=39,
        since_key="k",
        change=None if state == "ok" else change,
    )


def _report(alarmist, before, after, scopes=("hall/camera-1",)):
    judged = Judged("parts", BUNDLE, statuses={s: _status(after, s) for s in scopes})
    alarmist.report(judged, {s: _status(before, s) for s in scopes})


def _alarms(database):
    with database.read() as connection:
        return list_alarms(connection, most=50)


def test_drift_is_told_once_with_the_worst_examples_and_the_link(database, hook):
    now = time.time()
    with database.write() as connection:
        rows = [
            make_record(n, at=now, uncertainty=n / 10, source="hall/camera-1") for n in range(5)
        ]
        add_records(connection, [*rows, make_record(9, at=now, uncertainty=1.0, source="hall")])
    channel = Channel(webhook=hook.url, name="chat")
    file = AlarmFile(
        link="https://watch.example/", allow_hosts=("127.0.0.1",), channels=(channel,)
    )
    alarmist = Alarmist(database, file)
    _report(alarmist, "ok", "alarm")
    _report(alarmist, "alarm", "alarm")
    for _ in range(2):
        alarmist.deliver()
    (got,) = hook.received
    assert got["level"] == "alarm"
    assert got["text"] == (
        "alarm: The images of hall/camera-1 that parts sees have changed. shares of classes "
        "(car 0.041 -> 0.068)"
    )
    assert [example["key"] for example in got["examples"]] == ["key-4", "key-3", "key-2"]
    assert got["examples"][0]["confidence"] == 0.6
    assert got["link"] == (
        f"https://watch.example/watch?span=24h&bundle={BUNDLE}&source=hall%2Fcamera-1"
    )
    _report(alarmist, "alarm", "ok")
    (alarm,) = _alarms(database)
    assert alarm.ended is not None


def test_one_cause_is_one_message_that_names_all_parts_of_the_images(database, hook):
    channel = Channel(webhook=hook.url, name="chat")
    alarmist = Alarmist(database, AlarmFile(allow_hosts=("127.0.0.1",), channels=(channel,)))

    _report(alarmist, "ok", "alarm", ("hall/camera-1",))
    _report(alarmist, "ok", "alarm", ("", "hall"))
    alarmist.deliver()
    (got,) = hook.received
    assert got["also"] == ["all images", "hall"]
    assert got["text"].startswith("alarm: The images of hall/camera-1 that parts sees have")
    assert got["text"].endswith("(car 0.041 -> 0.068). The same in all images, hall")
    _report(
        alarmist, "ok", "alarm", ("yard",)
    )  # around it are all images, whose alarm has joined another one
    _report(alarmist, "ok", "alarm", ("hall/camera-2",))
    alarmist.deliver()
    assert len(hook.received) == 3
    with database.write() as connection:
        assert acknowledge(connection, got["alarm"], "ann", 9.0)
    seen = {alarm.topic for alarm in _alarms(database) if alarm.acknowledged}
    assert seen == {f"drift {BUNDLE} {s}" for s in ("", "hall", "hall/camera-1")}


def test_what_begins_within_an_acknowledged_alarm_is_told_anew(database):
    channel = Channel(command=("true",))
    alarmist = Alarmist(database, AlarmFile(channels=(channel,)))
    for scope, acknowledges, due in (("", False, 1), ("a", True, 1), ("b", False, 2)):
        _report(alarmist, "ok", "alarm", (scope,))
        with database.write() as connection:
            assert len(list_due(connection, time.time(), [channel.title])) == due
            if acknowledges:
                acknowledge(connection, 1, "ann", 9.0)


def test_a_warning_is_sent_only_where_that_is_wanted_and_an_alarm_after_it_is_new(database):
    channel = Channel(command=("true",))
    for drift, sent in (("alarm", [2]), ("warning", [3, 4])):
        alarmist = Alarmist(database, AlarmFile(drift=drift, channels=(channel,)))
        scope = f"of {drift}"
        for before, after in (("ok", "warning"), ("warning", "alarm")):
            _report(alarmist, before, after, (scope,))
        with database.read() as connection:
            due = list_due(connection, time.time(), [channel.title])
            assert [d.alarm for d in due] == sent
        alarmist.deliver()


def test_more_of_a_topic_is_no_new_alarm_until_it_has_been_quiet(database):
    with database.write() as connection:
        assert raise_alarm(connection, "t", "alarm", {}, 100.0) == 1
        assert raise_alarm(connection, "t", "alarm", {}, 200.0) is None
        end_alarm(connection, "t", 300.0)
        assert raise_alarm(connection, "t", "alarm", {}, 400.0) is None  # it came back at once
        (alarm,) = list_alarms(connection, most=9)
        assert (alarm.count, alarm.last, alarm.ended) == (3, 400.0, None)
        end_alarm(connection, "t", 500.0)
        assert raise_alarm(connection, "t", "alarm", {}, 500.0 + 3601) == 2


def test_a_delivery_is_tried_again_and_then_given_up_with_its_reason(
    database, hook, monkeypatch
):
    monkeypatch.setattr(telling, "_PAUSES_S", (0.0, 0.0))
    file = AlarmFile(
        allow_hosts=("127.0.0.1",), channels=(Channel(webhook=hook.url, name="chat"),)
    )
    alarmist = Alarmist(database, file)
    with database.write() as connection:
        number = raise_alarm(connection, "t", "alarm", {"title": "It"}, 100.0)
        add_deliveries(connection, number, ["chat", "of another server"], 100.0)
    hook.answers = [500, 503]
    for _ in range(3):
        alarmist.deliver()
    assert len(hook.received) == 3  # the third is answered by 200
    with database.write() as connection:
        assert list_failed(connection, since=0, most=9) == []
        others = list_due(connection, time.time(), ["of another server"])
        assert [one.attempts for one in others] == [0]
        add_deliveries(connection, number, ["chat"], 100.0)
    hook.answers = [500] * 3
    for _ in range(4):
        alarmist.deliver()
    with database.read() as connection:
        assert list_due(connection, time.time(), ["chat"]) == []
        (dead,) = list_failed(connection, since=time.time() - 9, most=9)
        assert (dead.state, dead.attempts, dead.error) == (DEAD, 3, "answered 500")
        assert dead.due <= time.time()  # when it was given up
        assert list_failed(connection, since=time.time() + 999, most=9) == []


def test_of_two_servers_one_sends(database, hook):
    file = AlarmFile(
        allow_hosts=("127.0.0.1",), channels=(Channel(webhook=hook.url, name="chat"),)
    )
    with database.write() as connection:
        number = raise_alarm(connection, "t", "alarm", {}, 100.0)
        add_deliveries(connection, number, ["chat"], 100.0)
    threads = [threading.Thread(target=Alarmist(database, file).deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hook.received) == 1


def test_failing_slow_and_silent_are_told_and_end(database):
    now = time.time()
    file = AlarmFile(failed="5%", seconds=0.5, silence="1h")
    alarmist = Alarmist(database, file)
    rows = [make_record(n, at=now, seconds=2.0) for n in range(30)]
    failures = [Failure(now, "parts", BUNDLE, "camera-1")] * 3
    with database.write() as connection:
        add_records(connection, [*rows, make_record(0, at=now - 7200, source="camera-2")])
        add_to_windows(connection, sum_by_minute([*rows, *failures]))
    for _ in range(2):
        alarmist.check_service()
    found = {alarm.document["title"]: alarm.document["text"] for alarm in _alarms(database)}
    assert found == {
        "Requests fail: parts": "9.09\xa0% of 33 requests in ten minutes failed",
        "Requests are slow: parts": "95 % within 1.88\xa0s, in ten minutes",
        "camera-2 is silent": "no image for 120 minutes",
    }
    with database.write() as connection:
        fast = [make_record(n, at=now, seconds=0.01) for n in range(2000)]
        add_to_windows(connection, sum_by_minute(fast))
        add_records(connection, [make_record(0, at=now, source="camera-2")])
    Alarmist(database, file).check_service()  # of the server that starts next
    assert all(alarm.ended for alarm in _alarms(database))


def _document(**values):
    return {
        "alarm": 7,
        "level": "alarm",
        "text": "alarm: it\r\nBcc: all@example.com",
        "link": None,
        "examples": [],
    } | values


def test_a_command_gets_the_alarm_on_its_input_and_no_shell_sees_it(tmp_path):
    out = tmp_path / "got.json"
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    document = _document(text="$(touch hacked); `id`")
    channel = Channel(command=(sys.executable, "-c", code, str(out)))
    assert send(channel, document) == ("", False)
    assert json.loads(out.read_text()) == document
    failing = replace_command(channel, "import sys; sys.exit('no lamp')")
    assert send(failing, document) == ("ended with status 1 no lamp", False)
    absent = Channel(command=("/no/such/program",))
    assert send(absent, document) == ("cannot be run: No such file or directory", True)


def replace_command(channel, code):
    return channel.model_copy(update={"command": (sys.executable, "-c", code)})


class _Mail(socketserver.StreamRequestHandler):
    """Speaks as much SMTP as a client needs."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        is_data = False
        for line in self.rfile:
            self.server.lines.append(line.decode().rstrip())
            if is_data and line == b".\r\n":
                is_data = False
            elif is_data:
                continue
            if line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            is_data = line.upper().startswith(b"DATA")
            self.wfile.write(b"354 go on\r\n" if is_data else b"250 ok\r\n")


def test_a_mail_has_nothing_of_the_alarm_in_its_head():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.lines = []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        channel = Channel(
            email=("ops@example.com",),
            sender="watch@example.com",
            server=f"127.0.0.1:{server.server_address[1]}",
            tls="none",
        )
        example = {"at": 86_400.0, "source": "", "key": "a", "confidence": 0.5}
        assert send(channel, _document(examples=[example])) == ("", False)
        server.shutdown()
    head, _, body = "\n".join(server.lines).partition("\n\n")
    assert "Subject: maskwright: alarm 7" in head
    assert "Bcc" not in head
    assert re.search(r"^Date: .* \+0000$", head, re.MULTILINE)
    assert re.search(r"^Message-ID: <[^@>]+@example\.com>$", head, re.MULTILINE)
    assert "alarm: it\nBcc: all@example.com" in body
    assert re.search(r"^19\d\d-\d\d-\d\d \d\d:\d\d:00 \S+  -  a  50.0% confident$", body, re.M)
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        make_mail(channel, _document(level="alarm\nBcc: all@example.com"))


def test_a_server_that_is_gone_is_a_reason():
    channel = Channel(
        email=("a@example.com",), sender="b@example.com", server="127.0.0.1:9", tls="none"
    )
    assert send(channel, _document()) == ("[Errno 111] Connection refused", False)


def test_the_file_is_read(tmp_path):
    path = tmp_path / "alarms.yaml"
    path.write_text(YAML)
    file = read_alarm_file(path)
    assert (file.failed_share, file.silence_s, file.seconds) == (0.05, 3600, 0.5)
    assert [c.title for c in file.channels] == ["chat", "command light"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("127.0.0.1]", "x.example]", "add 127.0.0.1 to allow_hosts to send to it"),
        ("http:", "ftp:", "give an address that begins with https:// or http://"),
        ("command", "comand", "unknown key 'channels.1.comand'; did you mean 'command'?"),
        ("5%", "0.05", "put it in quotes"),
        ("name: chat", "email: [a@b.example]", "one of webhook, email and command"),
        (
            'command: [/bin/light, "on"]',
            'email: ["a\\nb@x.example"]\n    sender: c@x.example\n    server: x:25',
            "is not an address",
        ),
        ("silence: 1h", "silence: soon", "silence"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path, old, new, message):
    path = tmp_path / "alarms.yaml"
    path.write_text(YAML.replace(old, new))
    with pytest.raises(ConfigError, match=r"alarms\.yaml") as caught:
        read_alarm_file(path)
    assert message in str(caught.value)


def test_what_a_channel_is_given_holds_for_an_alarm_without_details(database):
    with database.write() as connection:
        raise_alarm(connection, "topic", "warning", {}, 5.0)
    (alarm,) = _alarms(database)
    assert describe_alarm(alarm, "")["text"] == "warning: topic."
    assert describe_alarm(replace(alarm, document={}), "https://x")["link"] == "https://x"
