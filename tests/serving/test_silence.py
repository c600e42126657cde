"""Sources that fall silent: one cause is one message, and another cause another one."""

import time

from maskwright.serving.watch.alarmfile import AlarmFile, Channel
from maskwright.serving.watch.alarmist import Alarmist
from maskwright.serving.watch.recorder import Failure, add_to_windows, sum_by_minute
from maskwright.store.alarms import list_alarms
from maskwright.store.records import add_records, forget_records
from maskwright.store.windows import remove_windows

from .records import BUNDLE, make_record


def _alarms(database):
    with database.read() as connection:
        return list_alarms(connection, most=50)


def _send(database, now, *minutes_ago, model="parts", bundle=BUNDLE):
    """Rows of camera-1, camera-2 and so on, each of so many minutes ago."""
    rows = [
        make_record(n, at=now - 60 * ago, source=f"camera-{n}", model=model, bundle=bundle)
        for n, ago in enumerate(minutes_ago, start=1)
    ]
    with database.write() as connection:
        add_records(connection, rows)


def test_a_stop_of_all_traffic_is_one_message_that_names_the_sources(database, hook):
    channel = Channel(webhook=hook.url, name="chat")
    file = AlarmFile(silence="1h", allow_hosts=("127.0.0.1",), channels=(channel,))
    alarmist, now = Alarmist(database, file), time.time()
    _send(database, now, 50, 61, 35)  # the first to be silent takes the others with it
    for _ in range(2):
        alarmist.check_service()
        alarmist.deliver()
    (got,) = hook.received
    assert got["text"] == (
        "alarm: All 3 sources are silent. no image for 61 minutes from camera-2. The same in "
        "camera-1, camera-3"
    )
    assert got["also"] == ["camera-1", "camera-3"]
    assert got["link"] is None
    _send(database, now, 1, 1, 1)
    alarmist.check_service()
    assert all(alarm.ended for alarm in _alarms(database))


def test_a_source_that_falls_silent_alone_is_told_alone_and_then_another_one(database, hook):
    channel = Channel(webhook=hook.url, name="chat")
    file = AlarmFile(silence="1h", allow_hosts=("127.0.0.1",), channels=(channel,))
    alarmist, now = Alarmist(database, file), time.time()
    for minutes_ago in ((200, 20, 20), (200, 61, 20)):
        with database.write() as connection:
            forget_records(connection, now + 1)
        _send(database, now, *minutes_ago)
        alarmist.check_service()
        alarmist.deliver()
    assert [got["text"] for got in hook.received] == [
        "alarm: camera-1 is silent. no image for 3 hours",
        "alarm: camera-2 is silent. no image for 61 minutes",
    ]
    Alarmist(database, AlarmFile()).check_service()  # a file that asks for it no more
    assert all(alarm.ended for alarm in _alarms(database))


def test_a_server_that_was_off_waits_before_it_calls_a_source_silent(database):
    file, now = AlarmFile(silence="1h"), time.time()
    _send(database, now, 300, 40)
    Alarmist(database, file, now - 3500).check_service()
    assert _alarms(database) == []
    Alarmist(database, file, now - 3700).check_service()
    assert {alarm.document["source"] for alarm in _alarms(database)} == {"camera-1", "camera-2"}
    Alarmist(database, file, now - 10).check_service()  # started again, nothing has come
    assert [alarm.ended for alarm in _alarms(database)] == [None, None]


def test_alarms_of_a_bundle_that_was_replaced_end(database):
    alarmist, now = Alarmist(database, AlarmFile(failed="5%", silence="1h")), time.time()
    _send(database, now, 70)
    failures = [Failure(now, "parts", BUNDLE, "camera-1")] * 30
    with database.write() as connection:
        add_to_windows(connection, sum_by_minute(failures))
    alarmist.check_service()
    assert len(_alarms(database)) == 2
    _send(database, now, 0, bundle="c" * 16)
    with database.write() as connection:
        remove_windows(connection, before=now + 1, length=60)
    alarmist.check_service()
    assert all(alarm.ended for alarm in _alarms(database))
