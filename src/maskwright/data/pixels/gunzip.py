"""Gzipped files, unpacked once and kept while they fit into a bounded memory.

gzip can only be unpacked from the start: to read each slice of a volume by itself would unpack
the file up to that slice, again and again.
"""

import gzip
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 1 << 30
"""Unpacked bytes that one process keeps; a larger file is unpacked again for each part."""

_CHUNK_BYTES = 1 << 20


class UnpackedFiles:
    """The files that were unpacked last, up to `limit_bytes` together; usable by threads."""

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int, int], NDArray[np.uint8]] = OrderedDict()

    def read(self, file: Path, num_bytes: int) -> NDArray[np.uint8] | None:
        """The first bytes of the content; None where they are more than the limit.

        Raises:
            OSError, EOFError or zlib.error: The file is damaged, or holds fewer bytes.
        """
        if num_bytes > self.limit_bytes:
            return None
        status = file.stat()
        key = (file, status.st_size, status.st_mtime_ns)
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None or len(found) < num_bytes:
                self._make_room(num_bytes)
                found = unpack(file, num_bytes)
            self._kept[key] = found  # as the one that was used last
            return found

    def _make_room(self, num_bytes: int) -> None:
        used = sum(map(len, self._kept.values()))
        while self._kept and used + num_bytes > self.limit_bytes:
            used -= len(self._kept.popitem(last=False)[1])


def unpack(file: Path, num_bytes: int) -> NDArray[np.uint8]:
    """Unpack the first bytes of a file, read-only.

    A file that ends there is compared with its checksum.

    Raises:
        OSError, EOFError or zlib.error: The file is damaged, or holds fewer bytes.
    """
    content = np.empty(num_bytes, np.uint8)
    filled = 0
    with gzip.open(file) as packed:
        while filled < num_bytes:
            chunk = packed.read(min(_CHUNK_BYTES, num_bytes - filled))
            if not chunk:
                raise EOFError(f"ends after {filled:,} of {num_bytes:,} bytes")
            content[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
            filled += len(chunk)
        packed.read(1)  # at the end of the file, gzip compares the checksum
    content.flags.writeable = False
    return content


unpacked_files = UnpackedFiles()
"""Those of this process."""
