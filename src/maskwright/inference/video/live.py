"""A stream that does not wait: a camera, or an address; where it drops, it is opened again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ...core.errors import DataError
from ...core.image import Image
from ...core.results import FailedInput
from ...core.stream import Frame

_LONGEST_WAIT_S = 8.0


@dataclass(slots=True, kw_only=True)
class LiveSource:
    """Frames as they arrive, `time_s` by the clock of this machine.

    `connect` opens the stream and yields its images; it raises DataError where it drops. A
    stream that has given frames is opened again, with pauses of 0.5, 1, 2 ... 8 s, until it is
    away for `patience_s`; the first connection is tried once. Each drop is a note.
    """

    name: str
    connect: Callable[[], Iterator[Image]]
    say: Callable[[str], None]
    patience_s: float = 60.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    is_live: bool = True
    fps: float | None = None
    num_frames: int | None = None
    failed: list[FailedInput] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the stream is away for too long; `failed` names it then.

        Raises:
            DataError: The first connection fails.
        """
        index, first_s, last_s, wait_s = 0, None, 0.0, 0.5
        is_away = False
        while True:
            reason = "it ended"
            try:
                for image_HWC in self.connect():
                    now_s = self.clock()
                    first_s = now_s if first_s is None else first_s
                    if is_away:
                        self._tell(f"back after {now_s - last_s:.1f} s")
                    is_away, last_s, wait_s = False, now_s, 0.5
                    yield Frame(
                        key=f"{index:06d}",
                        index=index,
                        time_s=now_s - first_s,
                        image_HWC=image_HWC,
                    )
                    index += 1
            except DataError as error:
                if first_s is None:
                    raise
                reason = str(error).removeprefix(f"{self.name}: ")
            if first_s is None:
                raise DataError(f"{self.name}: gave no picture; is the address right?")
            if not is_away:
                self._tell(f"dropped after {index} frames ({reason}); connecting again")
            is_away = True
            if self.clock() - last_s > self.patience_s:
                given_up = f"{self.name}: away for more than {self.patience_s:g} s; given up"
                self.failed.append(FailedInput(self.name, given_up))
                return
            self.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _tell(self, text: str) -> None:
        self.notes.append(f"{self.name}: {text}")
        self.say(f"{self.name}: {text}")
