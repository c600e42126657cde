"""The process of one model as the server sees it: started, watched and started again.

A crash costs the request that caused it: those that were in work with it are run again one by
one, and the one with which the process crashes alone is given up.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from ..core.errors import BundleError, MaskwrightError
from .messages import Message, ModelFacts, Outcome, Task, receive_message
from .modelprocess.process import FAILED, ModelChoice

_PROGRAM = ("-m", f"{__package__}.modelprocess.process")
_BUFFER = 1 << 20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
_LATE_S = 30.0
"""After its deadline, a task that the process still holds is stuck."""


class ModelBusyError(MaskwrightError):
    """The process of a model does not run; it is being started."""


class ModelCrashError(MaskwrightError):
    """The process of a model ended while it worked on this request alone."""


class _Crashed(Exception):  # noqa: N818 - never leaves this module
    """The process ended with a task in work; `was_alone` where it had no other."""

    def __init__(self, *, was_alone: bool) -> None:
        self.was_alone = was_alone


class _Gate:
    """Many may pass together, or one alone; whoever wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._num_inside = self._num_waiting_alone = 0
        self._is_alone = False

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self._is_alone and not self._num_waiting_alone
            )
            self._num_inside += 1
        try:
            yield
        finally:
            async with self._changed:
                self._num_inside -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._changed:
            self._num_waiting_alone += 1
            try:
                await self._changed.wait_for(
                    lambda: not self._is_alone and not self._num_inside
                )
                self._is_alone = True
            finally:
                self._num_waiting_alone -= 1
        try:
            yield
        finally:
            async with self._changed:
                self._is_alone = False
                self._changed.notify_all()


class Child:
    """A process that serves one model; `facts` are those of the model once it is open.

    `num_crashes` counts the processes that ended by themselves after they were ready. `program`
    is what Python runs, with the choice as its argument.
    """

    def __init__(self, choice: ModelChoice, program: Sequence[str] = _PROGRAM) -> None:
        self.choice = choice
        self._program = program
        self.facts: ModelFacts | None = None
        self.num_crashes = 0
        self._process: asyncio.subprocess.Process | None = None
        self._pending: dict[int, tuple[asyncio.Future[Outcome], float]] = {}
        self._next_id = 0
        self._gate = _Gate()
        self._ready = asyncio.Event()
        self._sending = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._is_stopped = False

    @property
    def is_ready(self) -> bool:
        """Whether the process runs and its model is open."""
        return self._ready.is_set()

    @property
    def num_pending(self) -> int:
        """The tasks in work."""
        return len(self._pending)

    async def start(self) -> ModelFacts:
        """Start the process, and wait until its model is open and warm.

        Raises:
            BundleError: The model cannot be opened; the message is that of the process.
        """
        facts = await self._launch()
        self._watching = asyncio.create_task(self._watch())
        return facts

    async def stop(self) -> None:
        """End the process; what is in work may be asked again, of another server."""
        self._is_stopped = True
        if self._watching is not None:
            self._watching.cancel()
        self._ready.clear()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._fail_pending()

    async def ask(self, task: Task, body: bytes) -> Outcome:
        """The outcome of a task; an image that crashes the process is tried once more alone.

        Raises:
            ModelBusyError: The process does not run yet again.
            ModelCrashError: The process crashed on this task alone.
        """
        try:
            async with self._gate.together():
                return await self._send(task, body)
        except _Crashed as crash:
            if crash.was_alone and not self._is_stopped:
                raise self._explain_crash() from crash
        async with self._gate.alone():
            try:
                return await self._send(task, body)
            except _Crashed as crash:
                raise self._explain_crash() from crash

    def _explain_crash(self) -> ModelCrashError:
        return ModelCrashError(
            f"model {self.choice.name}: its process crashed on this image; the others are "
            f"served"
        )

    async def _send(self, task: Task, body: bytes) -> Outcome:
        if self._is_stopped:
            raise ModelBusyError(f"model {self.choice.name} is being stopped")
        deadline_s = time.monotonic() + task.timeout_s
        try:
            async with asyncio.timeout(task.timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise ModelBusyError(f"model {self.choice.name} is being started") from None
        self._next_id += 1
        number = self._next_id
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending[number] = future, deadline_s
        try:
            await self._write(replace(task, id=number).to_message(body))
            return await future
        except asyncio.CancelledError:
            if number in self._pending:
                await self._write(Message({"cancel": number}))
            raise
        finally:
            self._pending.pop(number, None)

    async def _write(self, message: Message) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(ConnectionError):  # `_watch` sees it end
            async with self._sending:
                process.stdin.write(message.pack())
                process.stdin.write(message.body)
                await process.stdin.drain()

    async def _launch(self) -> ModelFacts:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._program,
            self.choice.to_json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if self.facts is None else None,
            limit=_BUFFER,
        )
        self._process = process
        if process.stdout is None:
            raise BundleError(f"{self.choice.path}: its process has no output")
        hello = await receive_message(process.stdout)
        if hello is None:
            raise BundleError(await self._read_reason(process))
        if process.stderr is not None:
            self._echo = asyncio.create_task(_pass_on(process.stderr))
        self.facts = ModelFacts.from_json(hello.head["facts"])
        self._ready.set()
        return self.facts

    async def _read_reason(self, process: asyncio.subprocess.Process) -> str:
        said = await process.stderr.read() if process.stderr is not None else b""
        status = await process.wait()
        text = said.decode(errors="replace").strip()
        if status == FAILED and text:
            return text
        return f"{self.choice.path}: its process ended with status {status}\n{text}".strip()

    async def _watch(self) -> None:
        """Pass outcomes on, and start the process again when it ends."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = time.monotonic()
            await self._receive()
            self._ready.clear()
            self.num_crashes += 1
            self._fail_pending()
            if time.monotonic() - began_s > _LONGEST_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            while not self._ready.is_set():
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                with contextlib.suppress(BundleError):
                    await self._launch()

    async def _receive(self) -> None:
        """Set the results of tasks until the process ends, or is stuck and killed."""
        process = self._process
        if process is None or process.stdout is None:
            return
        guard = asyncio.create_task(self._kill_if_stuck(process))
        try:
            while (message := await receive_message(process.stdout)) is not None:
                outcome = Outcome.from_message(message)
                future, _ = self._pending.get(outcome.id, (None, 0.0))
                if future is not None and not future.done():
                    future.set_result(outcome)
        finally:
            guard.cancel()
        await process.wait()

    async def _kill_if_stuck(self, process: asyncio.subprocess.Process) -> None:
        while True:
            await asyncio.sleep(_LATE_S / 10)
            limit_s = time.monotonic() - _LATE_S
            if any(deadline_s < limit_s for _, deadline_s in self._pending.values()):
                process.kill()

    def _fail_pending(self) -> None:
        was_alone = len(self._pending) == 1
        for future, _ in self._pending.values():
            if not future.done():
                future.set_exception(_Crashed(was_alone=was_alone))


async def _pass_on(stream: asyncio.StreamReader) -> None:
    """Copy what a process says to the log of the server."""
    while line := await stream.readline():
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
