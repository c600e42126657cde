"""Files of CVAT and in its format: ends and gaps of tracks, polygons of two points."""

from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.cvat.interpolate import interpolate_angle, interpolate_rings

SQUARE = np.zeros((40, 60), np.uint8)
SQUARE[5:15, 5:15] = 1
NOTHING = np.zeros((40, 60), np.uint8)
POINTS = 'points="5,5;15,5;15,15;5,15"'


def save(path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(path, **options)


def stated(frame, *, outside=0, key=1, points=POINTS, tag="polygon"):
    head = f'frame="{frame}" outside="{outside}" occluded="0" keyframe="{key}"'
    return f'<{tag} {head} {points} z_order="0"/>'


def video(root, tracks, frames):
    """Write a task of these frames with one track for each text of shapes."""
    for frame in frames:
        save(root / f"images/frame_{frame:06d}.PNG")
    body = "".join(
        f'<track id="{n}" label="car" source="manual">{shapes}</track>'
        for n, shapes in enumerate(tracks)
    )
    labels = "<labels><label><name>car</name><color>#ff0000</color></label></labels>"
    (root / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>'
        f"<task><mode>interpolation</mode>{labels}</task></meta>{body}</annotations>"
    )
    return root


def on_frames(filled, frames):
    return {f"frame_{f:06d}": SQUARE if f in filled else NOTHING for f in frames}


def test_a_track_ends_with_its_last_shape_where_every_frame_is_stated(tmp_path):
    shapes = "".join(stated(f, key=int(f in (0, 3))) for f in range(4))
    data = video(tmp_path / "d", [shapes], range(6))
    assert_converts_to(data, on_frames(range(4), range(6)), ("background", "car"))


def test_a_gap_between_runs_of_frames_has_no_shape(tmp_path):
    filled = (0, 1, 2, 6, 7, 8)
    data = video(tmp_path / "d", ["".join(map(stated, filled))], range(10))
    assert_converts_to(data, on_frames(filled, range(10)), ("background", "car"))
    (note,) = (n for n in open_as_is(data).notes if "gaps" in n)
    assert note.startswith("annotations.xml: 2 gaps in tracks are read as frames without the")


def test_every_fifth_frame_of_a_video_is_a_frame(tmp_path):
    frames = range(0, 30, 5)
    shapes = "".join(stated(f, outside=int(f == 20), key=int(f in (0, 20))) for f in frames[:5])
    data = video(tmp_path / "d", [shapes], frames)
    assert_converts_to(data, on_frames(frames[:4], frames), ("background", "car"))


def test_keyframes_alone_are_interpolated_and_the_last_one_stays(tmp_path):
    moved = 'points="25,5;35,5;35,15;25,15"'
    data = video(tmp_path / "d", [stated(0) + stated(4, points=moved)], range(7))
    expected = {}
    for frame in range(7):
        mask = np.zeros((40, 60), np.uint8)
        left = 5 + 5 * min(frame, 4)
        mask[5:15, left : left + 10] = 1
        expected[f"frame_{frame:06d}"] = mask
    assert_converts_to(data, expected, ("background", "car"))
    (note,) = (n for n in open_as_is(data).notes if "between keyframes" in n)
    assert "5 shapes are interpolated between keyframes as CVAT does it" in note


def test_no_shape_lies_between_an_outside_keyframe_and_the_next(tmp_path):
    shapes = stated(0) + stated(3, outside=1) + stated(6) + stated(8, outside=1)
    data = video(tmp_path / "d", [shapes], range(10))
    assert_converts_to(data, on_frames((0, 1, 2, 6, 7), range(10)), ("background", "car"))


def test_boxes_and_ellipses_move_on_straight_lines(tmp_path):
    boxes = [f'xtl="{x}" ytl="5" xbr="{x + 10}" ybr="15"' for x in (5, 25)]
    ellipses = [f'cx="{x}" cy="30" rx="4" ry="{y}"' for x, y in ((10, 4), (30, 8))]
    tracks = [
        "".join(stated(4 * n, tag=tag, points=where) for n, where in enumerate(places))
        for tag, places in (("box", boxes), ("ellipse", ellipses))
    ]
    data = video(tmp_path / "d", tracks, range(5))
    drawing = open_as_is(data).entries[2].labels.read()
    np.testing.assert_allclose(drawing.shapes[0].rings[0][:, 0], [15, 25, 25, 15])
    rows, columns = np.nonzero(drawing.shapes[1].masks[0].to_mask((40, 60)))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (16, 24, 24, 36)


def test_keyframes_of_different_kinds_are_refused(tmp_path):
    box = stated(4, tag="box", points='xtl="5" ytl="5" xbr="15" ybr="15"')
    data = video(tmp_path / "d", [stated(0) + box], range(5))
    with pytest.raises(DataError, match="the next keyframe of its track is <box>"):
        open_as_is(data).labels(1)


def test_corners_of_different_number_are_matched_along_the_outline():
    square = np.array([[0.0, 0], [8, 0], [8, 8], [0, 8]])
    with_a_corner_more = np.array([[4.0, 0], [8, 0], [12, 0], [12, 8], [4, 8]])
    halfway = interpolate_rings(square, with_a_corner_more, 0.5)
    np.testing.assert_allclose(halfway, [[2, 0], [4, 0], [10, 0], [10, 8], [2, 8]])
    np.testing.assert_allclose(interpolate_rings(square, square + 4, 0.25), square + 1)
    np.testing.assert_allclose(interpolate_rings(square * 0, square, 0.5), square * 0)


def test_an_angle_takes_the_short_way_round():
    assert interpolate_angle(350, 10, 0.5) == 0
    assert interpolate_angle(10, 350, 0.25) == 5
    assert interpolate_angle(0, 180, 0.5) == 0.5


def test_a_polygon_of_two_points_is_counted(tmp_path):
    data = tmp_path / "d"
    expected, body = {}, ""
    for index, name in enumerate(["a/1.JPG", "b/1.JPG", "\u732b \u00e9.jpg", "c/d/4.png"]):
        save(data / "images" / name, format="PNG" if name.endswith("png") else "JPEG")
        expected[name.rsplit(".", 1)[0].replace("/", "__")] = SQUARE
        body += (
            f'<image id="{index}" name={quoteattr(name)} width="60" height="40">'
            f'<polygon label="car" occluded="0" {POINTS} z_order="0"/>'
            f'<polygon label="car" occluded="0" points="39.50,8.50;39.50,8.50" z_order="0"/>'
            f'<tag label="wet" source="manual"/></image>\n'
        )
    labels = "<label><name>car</name></label><label><name>wet</name></label>"
    text = f"<meta><task><labels>{labels}</labels></task></meta>{body}"
    (data / "annotations.xml").write_text(f"<annotations>{text}</annotations>", "utf-8")
    assert_converts_to(data, expected, ("background", "car", "wet"))
    assert open_as_is(data).entries[0].labels.read().skipped == {
        "polygons of fewer than three corners": 1,
        "tags": 1,
    }


def test_names_in_another_case_are_found_and_missing_images_are_left_out(tmp_path):
    save(tmp_path / "d/images/A.JPG")
    image = f'width="60" height="40"><polygon label="car" occluded="0" {POINTS}/></image>'
    body = f'<image id="0" name="a.jpg" {image}<image id="1" name="gone.jpg" {image}'
    (tmp_path / "d/annotations.xml").write_text(f"<annotations><meta/>{body}</annotations>")
    assert_converts_to(tmp_path / "d", {"a": SQUARE}, ("background", "car"))
    (left_out,) = open_as_is(tmp_path / "d").left_out
    assert left_out.names == ("gone.jpg",)


def test_a_segmentation_mask_export_lists_its_images_in_default_txt(tmp_path):
    data, expected = tmp_path / "d", {}
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (data / folder).mkdir(parents=True)
    palette = np.array([[0, 0, 0], [48, 112, 32], [176, 112, 32]], np.uint8)
    for index in range(6):
        save(data / f"JPEGImages/{index}.jpg")
        mask = SQUARE.copy()
        mask[20:30, 5 : 20 + index] = 2
        Image.fromarray(palette[mask]).save(data / f"SegmentationClass/{index}.png")
        expected[str(index)] = mask
    names = "".join(f"{index}\n" for index in range(6))
    (data / "ImageSets/Segmentation/default.txt").write_text(names)
    (data / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nCat:48,112,32::\nDog:176,112,32::\n"
        "background:0,0,0::\n"
    )
    assert_converts_to(data, expected, ("background", "Cat", "Dog"))
    assert open_as_is(data).splits == {"": 6}
