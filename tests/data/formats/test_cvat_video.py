"""CVAT's XML 1.1 for video: each frame has the shapes of its tracks."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.cvat.part import scan

from .cvat_documents import BLACK, MASK_OF_M, M, document, image, mask, names_of


def video(*tracks):
    return "".join(
        f'<track id="{number}" label="car" source="manual">{shapes}</track>'
        for number, shapes in enumerate(tracks)
    )


def stated(frame, tag="mask", rest=MASK_OF_M, *, outside=0, key=1):
    head = f'<{tag} frame="{frame}" keyframe="{key}" outside="{outside}" occluded="0"'
    return f'{head} {rest} z_order="0"></{tag}>'


def of_video(write, tracks, numbers):
    for number in numbers:
        path = write({"images/.keep": ""}) / f"images/frame_{number:06d}.PNG"
        Image.fromarray(BLACK).save(path)
    return write({"annotations.xml": document(tracks, task="<mode>interpolation</mode>")})


BOX = 'xtl="1.00" ytl="1.00" xbr="3.00" ybr="3.00"'


def test_each_frame_of_a_video_has_the_shapes_of_its_tracks(write):
    tracks = video(
        stated(10) + stated(13, outside=1),
        stated(10, "box", BOX) + stated(13, "box", BOX, key=0) + stated(16, "box", BOX),
    )
    dataset = open_as_is(of_video(write, tracks, (10, 13, 16)))
    assert [e.key for e in dataset.entries] == ["frame_000010", "frame_000013", "frame_000016"]
    box = np.zeros((4, 6), np.uint8)
    box[1:3, 1:3] = 1
    np.testing.assert_array_equal(dataset.labels(0), M | box)
    np.testing.assert_array_equal(dataset.labels(1), box)
    np.testing.assert_array_equal(dataset.labels(2), box)
    assert [s.instance for s in dataset.entries[0].labels.read().shapes] == [
        "track 0",
        "track 1",
    ]


def test_a_shape_on_the_last_frame_but_one_may_lack_its_end(write):
    dataset = open_as_is(of_video(write, video(stated(1)), (0, 1, 2)))
    assert [int(dataset.labels(n).sum()) for n in range(3)] == [0, 10, 0]


def test_the_same_frames_cannot_be_of_two_subsets(write):
    tracks = video(stated(0) + stated(1, outside=1))
    tracks = tracks.replace('label="car"', 'label="car" subset="Train"', 1)
    root = of_video(write, tracks, (0, 1))
    text = (root / "annotations.xml").read_text().replace("task>", "project>")
    subsets = "<project><subsets>Train\nTest</subsets>"
    (root / "annotations.xml").write_text(text.replace("<project>", subsets))
    with pytest.raises(DataError, match=r"both label .*frame_000000"):
        scan(root, DatasetFile())
    for name in ("Train", "Test"):
        (root / "images" / name).mkdir()
        Image.fromarray(BLACK).save(root / "images" / name / "frame_000000.PNG")
    dataset = open_as_is(root)
    assert dataset.splits == {"test": 1, "train": 1}
    assert [int(dataset.labels(n).sum()) for n in range(2)] == [0, 10]


def test_a_mask_between_keyframes_is_refused(write):
    root = of_video(write, video(stated(0) + stated(3)), range(6))
    with pytest.raises(
        DataError,
        match=r"frame 1: mask: the next keyframe of its track is <mask>, and between the two "
        r"CVAT cannot interpolate; state a shape on every frame",
    ):
        open_as_is(root).labels(1)


def test_gaps_in_tracks_without_regions_are_allowed(write):
    line = 'points="1.00,1.00;2.00,2.00"'
    tracks = video(stated(0, "polyline", line) + stated(4, "polyline", line), stated(5))
    dataset = open_as_is(of_video(write, tracks, range(6)))
    assert dataset.entries[4].labels.read().skipped == {"lines": 1}


def test_a_video_task_exported_for_images_names_frames_without_a_suffix(write):
    root = of_video(write, image(mask(), name="frame_000007"), (7,))
    assert names_of(scan(root, DatasetFile())) == [("", "frame_000007")]
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_a_damaged_video_is_refused_once_and_soon(write, fuzz):
    tracks = video(stated(0) + stated(1, "box", BOX) + stated(2, "box", BOX, outside=1))
    root = of_video(write, tracks, range(3))

    def read(content):
        (root / "annotations.xml").write_bytes(content)
        dataset = open_as_is(root, form="cvat")
        for index in range(len(dataset)):
            dataset.labels(index)

    fuzz((root / "annotations.xml").read_bytes(), read)
