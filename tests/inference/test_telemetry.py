"""ONNX Runtime keeps no id of the machine, which it does before it sends anything."""

import os
import subprocess
import sys

_OPEN = "import sys, maskwright; maskwright.open_model(sys.argv[1], engine='onnxruntime')"


def test_onnx_runtime_leaves_nothing_in_the_home_of_the_user(painted_bundle, tmp_path):
    bundle, home = painted_bundle(tmp_path / "bundle"), tmp_path / "home"
    home.mkdir()
    names = {"XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"}
    kept = {name: text for name, text in os.environ.items() if name not in names}
    command = [sys.executable, "-c", _OPEN, str(bundle.root)]
    subprocess.run(command, env=kept | {"HOME": str(home)}, check=True)
    assert [path for path in home.rglob("*") if "Microsoft" in path.parts] == []
