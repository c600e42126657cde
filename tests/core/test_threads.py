"""Work by threads comes back in order, and a failure stops it."""

import threading
import time

import pytest

from maskwright.core.threads import Allowance, map_in_order


def test_results_come_in_the_order_of_the_items():
    assert list(map_in_order(lambda number: number**2, range(100))) == [
        n**2 for n in range(100)
    ]


def test_work_in_order_stops_at_the_first_failure():
    begun = []

    def work(number):
        begun.append(number)
        if number == 5:
            raise ValueError("five")
        return number

    found = map_in_order(work, range(1000))
    assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        list(found)
    assert len(begun) < 100


def test_threads_never_hold_more_than_the_allowance_together():
    allowance, lock, held, most = Allowance(10), threading.Lock(), [], []

    def work(amount):
        with allowance.hold(amount):
            with lock:
                held.append(amount)
                most.append(sum(held))
            time.sleep(0.001)
            with lock:
                held.remove(amount)
        return amount

    amounts = [3, 4, 5, 10, 1, 2, 99, 6] * 4
    assert list(map_in_order(work, amounts, num_threads=6)) == amounts
    assert all(total <= 10 or total == 99 for total in most)
    assert max(total for total in most if total != 99) > 5
