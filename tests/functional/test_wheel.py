import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_every_module_and_part_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {n for n in archive.namelist() if ".dist-info/" not in n}
    source = ROOT / "src"
    front_end = source / "maskwright/studio/web"  # the wheel has what is built of it
    written = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not path.is_relative_to(front_end)
    }
    assert packed == written
    assert "maskwright/studio/static/assets/studio.js" in packed
    assert "maskwright/py.typed" in packed
    assert "maskwright/nn/archs/unet.py" in packed


def test_the_wheel_carries_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_a_plain_installation_has_no_torch(run_plain_python):
    done = run_plain_python("-c", "import torch")
    assert "No module named 'torch'" in done.stderr


def test_what_needs_torch_asks_for_it_before_it_begins_and_env_needs_none(
    run_plain_python, tmp_path
):
    for verb in (["demo", "-o", "d"], ["models"]):
        done = run_plain_python("-m", "maskwright", *verb, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == "torch is not installed; run: pip install 'maskwright[train]'\n"
    assert list(tmp_path.iterdir()) == []
    done = run_plain_python("-m", "maskwright", "env", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "torch      not installed" in done.stdout


def test_a_plain_installation_has_the_whole_command_line(run_plain_python):
    done = run_plain_python("-m", "maskwright", "--help")
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
