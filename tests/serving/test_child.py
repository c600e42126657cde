import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maskwright.core.errors import BundleError
from maskwright.serving.child import Child, ModelBusyError, ModelCrashError
from maskwright.serving.messages import Task
from maskwright.serving.modelprocess.process import ModelChoice

PROGRAM = (str(Path(__file__).parent / "crashing_model.py"),)


@asynccontextmanager
async def _child(path="model"):
    child = Child(ModelChoice(path=path, name="m", version="1"), PROGRAM)
    await child.start()
    try:
        yield child
    finally:
        await child.stop()


def _ask(child, body, timeout_s=60.0):
    task = Task(id=0, suffix=".png", num_px=1, name="x", form="json", timeout_s=timeout_s)
    return child.ask(task, body)


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))


def test_answers_come_in_any_order_and_meet_their_questions():
    async def run():
        async with _child() as child:
            bodies = [b"slow", b"b", b"c" * 3_000_000]
            outcomes = await asyncio.gather(*(_ask(child, body) for body in bodies))
            assert [outcome.body for outcome in outcomes] == bodies
            assert child.num_pending == 0

    asyncio.run(run())


def test_a_crash_costs_the_request_that_causes_it_and_no_other():
    async def run():
        async with _child() as child:
            bodies = [b"slow1", b"crash", b"slow2", b"slow3"]
            found = await asyncio.gather(
                *(_ask(child, body) for body in bodies), return_exceptions=True
            )
            assert [getattr(outcome, "body", None) for outcome in found] == [
                b"slow1",
                None,
                b"slow2",
                b"slow3",
            ]
            assert isinstance(found[1], ModelCrashError)
            assert str(found[1]) == (
                "model m: its process crashed on this image; the others are served"
            )
            assert child.num_crashes == 2  # with the others, and alone
            assert (await _ask(child, b"after")).body == b"after"

    asyncio.run(run())


def test_a_request_that_is_cancelled_leaves_nothing_behind():
    async def run():
        async with _child() as child:
            task = asyncio.create_task(_ask(child, b"slow"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert child.num_pending == 0
            assert (await _ask(child, b"after")).body == b"after"

    asyncio.run(run())


def test_a_model_that_cannot_be_opened_is_refused_with_its_own_message():
    async def run():
        with pytest.raises(BundleError, match=r"^no such model$"):
            async with _child("absent"):
                pass

    asyncio.run(run())


def test_what_is_in_work_when_a_child_stops_may_be_asked_again():
    async def run():
        async with _child() as child:
            asked = [asyncio.create_task(_ask(child, body)) for body in (b"slow", b"slow too")]
            while child.num_pending < 2:
                await asyncio.sleep(0.01)
            await child.stop()
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(error) for error in found] == [ModelBusyError] * 2
            assert str(found[0]) == "model m is being stopped"

    asyncio.run(run())
