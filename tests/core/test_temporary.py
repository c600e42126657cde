"""What killed processes left behind is removed, and nothing else."""

import os
import subprocess
import sys

from maskwright.core.temporary import (
    make_temporary_file,
    make_temporary_folder,
    remove_leftovers,
)

LEAVE = """
import sys
from pathlib import Path
from maskwright.core.temporary import make_temporary_file, make_temporary_folder
make_temporary_file(Path(sys.argv[1]), "a.json")
(make_temporary_folder(Path(sys.argv[1]), "out") / "half").touch()
"""


def test_leftovers_of_an_ended_process_are_removed(tmp_path):
    subprocess.run([sys.executable, "-c", LEAVE, str(tmp_path)], check=True)
    (tmp_path / "photo.tmp").touch()
    (tmp_path / ".out.tmp").touch()
    assert len(list(tmp_path.iterdir())) == 4
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.tmp", "photo.tmp"]


def test_what_a_living_process_or_another_host_writes_stays(tmp_path):
    handle, mine = make_temporary_file(tmp_path, "a.json")
    os.close(handle)
    elsewhere = tmp_path / ".a.json.00000000-1.abc.tmp"
    elsewhere.touch()
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere])


def test_a_long_name_still_fits(tmp_path):
    assert make_temporary_folder(tmp_path, "n" * 250).is_dir()
