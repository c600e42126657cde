"""A PostgreSQL server for the tests that need one, in a folder of its own."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest


def find_programs():
    """The folder of initdb and pg_ctl; skips the test where they are not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("pg_ctl")
    if found is not None:
        folders.append(Path(found).resolve().parent)
    folders = [f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()]
    if not folders:
        pytest.skip("no PostgreSQL here; as root: apt-get install postgresql")
    return folders[-1]


class Postgres:
    """A server on a free port of this machine; each `make_url` is of an empty database."""

    def __init__(self, folder):
        self._programs, self._data = find_programs(), folder / "data"
        self._user = _choose_user()
        if self._user is not None:
            shutil.chown(folder, self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "watch", "--no-sync")
        self._options = f"-p {self.port} -h 127.0.0.1 -k {folder} -c fsync=off"
        self._log = folder / "log.txt"
        self._num = 0
        self.start()

    def _run(self, program, *arguments):
        command = [self._programs / program, *arguments]
        done = subprocess.run(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            user=self._user,
            cwd="/",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    def start(self):
        """Begin, or begin again after `stop`."""
        words = ("-D", self._data, "-w", "-l", self._log, "-o", self._options)
        self._run("pg_ctl", *words, "start")

    def make_url(self):
        import pg8000.dbapi

        self._num += 1
        name = f"test_{self._num}"
        connection = pg8000.dbapi.connect(
            "watch", host="127.0.0.1", port=self.port, database="postgres"
        )
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return f"postgresql+pg8000://watch:secret@127.0.0.1:{self.port}/{name}"

    def stop(self):
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")


def _choose_user():
    """PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return pwd.getpwnam("nobody").pw_name
