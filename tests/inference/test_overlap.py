"""Reading ahead and writing behind: order, back-pressure, errors, stopping."""

import threading
import time

import pytest

from maskwright.inference.overlap import read_ahead, write_behind


def test_items_come_in_order_and_all_of_them():
    with read_ahead(iter(range(50))) as items:
        assert [one.item for one in items] == list(range(50))


def test_at_most_a_few_items_are_read_ahead():
    read = []

    def count():
        for index in range(1000):
            read.append(index)
            yield index

    with read_ahead(count()) as items:
        next(items)
        time.sleep(0.1)
    assert len(read) <= 7
    assert threading.active_count() == 1 or not any(
        thread.name.endswith("(_read)") for thread in threading.enumerate()
    )


def test_stale_items_are_dropped_and_counted():
    def count():
        for index in range(20):
            yield index
            time.sleep(0.002)

    with read_ahead(count(), drop_stale=True) as items:
        taken = []
        for one in items:
            taken.append(one)
            time.sleep(0.02)
    assert [one.item for one in taken] == sorted(one.item for one in taken)
    assert taken[-1].item == 19  # the newest is never dropped
    assert len(taken) + sum(one.dropped for one in taken) == 20
    assert len(taken) < 15


def test_an_error_of_the_reader_is_raised_where_items_are_taken():
    def fail():
        yield 1
        raise ValueError("broken")

    with read_ahead(fail()) as items:
        assert next(items).item == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


def test_everything_that_was_given_is_written_in_order():
    written = []
    with write_behind(written.append) as give:
        for index in range(50):
            give(index)
    assert written == list(range(50))


def test_an_error_of_the_writer_is_raised_at_the_next_call_or_at_the_end():
    def refuse(item):
        raise OSError(f"full at {item}")

    def give_many():
        with write_behind(refuse) as give:
            for index in range(100):
                give(index)

    def give_one():
        with write_behind(refuse) as give:
            give(7)

    with pytest.raises(OSError, match="full at 0"):
        give_many()
    with pytest.raises(OSError, match="full at 7"):
        give_one()


def test_what_waits_is_written_where_the_block_raises():
    may_write, written = threading.Event(), []

    def write(item):
        may_write.wait(10)
        written.append(item)

    def fail():
        with write_behind(write, depth=2) as give:
            for item in range(3):
                give(item)
            may_write.set()
            raise ValueError("the network failed")

    with pytest.raises(ValueError, match="the network failed"):
        fail()
    assert written == [0, 1, 2]
