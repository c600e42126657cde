"""A project of generated scenes, its application, and a studio in a process of its own."""

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.browser import Browser, find_browser
from tests.studio_pages import Studio, make_page

from maskwright.data.synth.streets import write_street_scenes
from maskwright.studio.project import open_project

SIZE_HW = (300, 520)
"""Two rows and three columns of tiles."""


@pytest.fixture(scope="session")
def all_scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio") / "scenes"
    write_street_scenes(folder, num_images=6, size_HW=SIZE_HW)
    return folder


@pytest.fixture
def scenes(all_scenes, tmp_path):
    """A folder of scenes of its own, with labels."""
    return shutil.copytree(all_scenes, tmp_path / "scenes")


@pytest.fixture
def photos(all_scenes, tmp_path):
    """A folder of images without labels."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for image in sorted(all_scenes.glob("images/*/*"))[:3]:
        shutil.copyfile(image, folder / image.name)
    return folder


@pytest.fixture
def project(photos):
    with open_project(photos, classes=["road", "car", "tree"]) as opened:
        yield opened


@pytest.fixture
def page(project):
    return make_page(project)


@pytest.fixture
def start_studio():
    """Starts studios in processes of their own, which end with the test."""
    with ExitStack() as started:

        def start(folder, *options):
            studio = Studio(folder, *options)
            started.callback(studio.kill)
            return studio

        yield start


@pytest.fixture
def studio(start_studio, photos):
    return start_studio(photos, "--classes", "road,car,tree")


@pytest.fixture(scope="session")
def built_front(tmp_path_factory):
    """What `make front` builds; the packages of node lie in .front/web then."""
    again = tmp_path_factory.mktemp("front") / "static"
    done = subprocess.run(
        ["make", "front", f"STATIC={again}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return again


@pytest.fixture
def browser(tmp_path):
    opened = Browser(find_browser(), tmp_path / "profile")
    yield opened
    opened.close()
