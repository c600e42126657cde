"""Stands in for the process of a model: `crash` in a body ends it, `slow` answers late."""

import os
import sys
import threading
import time
from dataclasses import asdict

from maskwright.serving.messages import (
    Message,
    ModelFacts,
    Outcome,
    Task,
    read_message,
    write_message,
)

FACTS = ModelFacts(
    bundle="0" * 16,
    labels="1" * 16,
    classes=("a",),
    colors=((0, 0, 0),),
    engine="fake",
    precision="fp32",
    channels=3,
    max_value=255,
    tiling="auto",
    refine="none",
    has_verdicts=False,
    card={},
    max_batch={},
)


def _answer(task, body, lock):
    if b"slow" in body or b"crash" in body:
        time.sleep(0.2)
    if b"crash" in body:
        os._exit(9)
    with lock:
        write_message(sys.stdout.buffer, Outcome(id=task.id, body=body).to_message())


def main():
    lock = threading.Lock()
    if '"absent"' in sys.argv[1]:
        sys.stderr.write("no such model\n")
        sys.exit(3)
    write_message(sys.stdout.buffer, Message({"facts": asdict(FACTS)}))
    while (message := read_message(sys.stdin.buffer)) is not None:
        if "task" in message.head:
            task = Task.from_json(message.head)
            threading.Thread(target=_answer, args=(task, message.body, lock)).start()
    os._exit(0)


if __name__ == "__main__":
    main()
