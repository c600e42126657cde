import zlib
from hashlib import sha256

import numpy as np
import pytest
from tests.studio_pages import make_page

from maskwright.store.items import change_item
from maskwright.studio.editing import LEASE_S
from maskwright.studio.tiles import TILE_PX

EMPTY = bytes([255]) * TILE_PX * TILE_PX
POLYGON = {"kind": "polygon", "rings": [[80, 80, 2400, 80, 2400, 1600, 80, 1600]]}


def _sha(pixels):
    return sha256(pixels).hexdigest()


def _patch(before, after):
    mask = np.frombuffer(before, np.uint8) ^ np.frombuffer(after, np.uint8)
    return zlib.compress(mask.tobytes())


def _change(after, *, at=(0, 0), before=EMPTY, patch=None, sha=None):
    """An edit of one tile with its patch."""
    patch = patch or _patch(before, after)
    tile = {"at": at, "before": _sha(before), "after": sha or _sha(after), "size": len(patch)}
    edit = {"value": 1, "geometry": {"kind": "all"}, "tiles": [tile]}
    return edit, [patch]


def _painted(value=1, rows=10):
    tile = np.full((TILE_PX, TILE_PX), 255, np.uint8)
    tile[:rows, :30] = value
    return tile.tobytes()


def test_a_patch_gives_exactly_the_pixels_that_were_painted(page):
    page.lease()
    edit, patches = _change(_painted())
    answer = page.edit(edit, 0, patches=patches)
    assert answer.status_code == 200, answer.text
    tiles = [[0, 0, _sha(_painted())]]
    expected = {"rev": 1, "state": "in_progress", "tiles": tiles, "px_changed": 300}
    assert answer.json() == expected
    labels_HW = page.read_map()
    assert (labels_HW == 1).sum() == 300
    assert (labels_HW[:10, :30] == 1).all()
    assert page.item()["state"] == "in_progress"


def test_an_image_without_labels_begins_unlabelled_and_equal_tiles_are_one(page):
    item = page.item()
    assert item["size_HW"] == [300, 520]
    assert len(item["tiles"]) == 6
    assert {sha for _, _, sha in item["tiles"]} == {_sha(EMPTY)}


def test_a_request_that_comes_again_changes_nothing(page):
    page.lease()
    edit, patches = _change(_painted())
    first = page.edit(edit, 0, patches=patches, key="page-one:same")
    again = page.edit(edit, 0, patches=patches, key="page-one:same")
    assert first.json() == again.json()
    assert page.item()["rev"] == 1
    assert len(page.ask("GET", "/api/items/1/edits").json()["edits"]) == 1


def test_a_stale_page_is_refused_with_what_is_there(page):
    page.lease()
    assert page.draw(0, **POLYGON).status_code == 200
    edit, patches = _change(_painted())
    answer = page.edit(edit, 0, patches=patches)
    assert answer.status_code == 409
    assert "is at revision 1; load it again" in answer.json()["error"]
    assert answer.json()["tiles"] == page.item()["tiles"]
    assert page.edit(edit, 1, patches=patches).status_code == 409  # the tile is another
    assert page.item()["rev"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change(_painted(), sha="0" * 64), "not those of the hash after the edit"),
        (_change(_painted(value=3)), "has the value 3, there are 3 classes"),
        (_change(_painted(rows=60), at=(0, 1)), "pixels outside of the image"),
        (_change(_painted(), patch=b"no zlib"), "cannot be decompressed"),
        (_change(_painted(), patch=zlib.compress(bytes(1 << 20))), "another number"),
        (_change(_painted(), patch=zlib.compress(b"few")), "another number"),
    ],
)
def test_pixels_that_are_not_as_said_change_nothing(page, change, message):
    page.lease()
    answer = page.edit(change[0], 0, patches=change[1])
    assert answer.status_code == 422
    assert message in answer.json()["error"]
    assert page.item()["rev"] == 0


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"geometry": {"kind": "star"}}, "geometry"),
        ({"geometry": {"kind": "all"}, "value": 256}, "value"),
        ({"geometry": {"kind": "stroke", "radius": 8, "points": [1.5, 2]}}, "points"),
        ({"geometry": {"kind": "flood", "at": [520, 0]}}, "outside of the image of 520 x 300"),
        ({"geometry": {"kind": "all"}, "shape": 1}, "shape"),
        ({}, "give one of the two"),
        ({"undoes": 9}, "has no edit 9"),
    ],
)
def test_an_edit_that_is_none_is_refused_by_name(page, edit, message):
    page.lease()
    answer = page.edit(edit, 0)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_modes_and_locks_on_all_pairs_of_values(page):
    page.lease()
    rev = 0
    for value in (0, 1, 2):  # columns of each class, the rest unlabelled
        x = 800 * value
        ring = [x, 0, x + 800, 0, x + 800, 2400, x, 2400]
        rev = page.draw(rev, value=value, kind="polygon", rings=[ring]).json()["rev"]
    before_HW = page.read_map()
    for mode, value, only, after in [
        ("overwrite", 1, None, {0: 1, 1: 1, 2: 1, 255: 1}),
        ("keep", 1, None, {0: 0, 1: 1, 2: 2, 255: 1}),
        ("erase", 1, None, {0: 255, 1: 255, 2: 255, 255: 255}),
        ("overwrite", 2, [0], {0: 2, 1: 1, 2: 2, 255: 255}),
        ("erase", 2, [1, 2], {0: 0, 1: 255, 2: 255, 255: 255}),
        ("keep", 2, [0], {0: 0, 1: 1, 2: 2, 255: 255}),
    ]:
        done = page.draw(rev, value=value, mode=mode, only=only, kind="all").json()
        after_HW = page.read_map()
        for old, new in after.items():
            assert (after_HW[before_HW == old] == new).all(), (mode, value, only, old)
        assert done["px_changed"] == (before_HW != after_HW).sum()
        rev = page.edit({"undoes": done["rev"]}, done["rev"]).json()["rev"]
        assert (page.read_map() == before_HW).all()


def test_fill_unlabelled_leaves_none_and_touches_no_other(page):
    page.lease()
    page.draw(0, value=2, **POLYGON)
    before_HW = page.read_map()
    page.draw(1, value=0, mode="keep", kind="all")
    after_HW = page.read_map()
    assert not (after_HW == 255).any()
    assert (after_HW[before_HW == 2] == 2).all()


def test_a_flood_fill_ends_at_other_values_and_is_4_connected(page):
    page.lease()
    page.draw(0, value=2, kind="stroke", radius=4, points=[4, 84, 84, 4])  # a diagonal line
    page.draw(1, value=1, kind="flood", at=[0, 0])
    labels_HW = page.read_map()
    assert (labels_HW == 2).sum() == 11
    assert (labels_HW == 1).sum() == 10 * 11 / 2
    assert labels_HW[10, 10] == 255


def test_undo_and_redo_many_times_give_the_same_tiles_and_no_other_image(page):
    page.lease()
    other = page.item(2)
    tiles = [page.item()["tiles"]]
    rev = 0
    for i in range(15):
        x = 80 * i
        done = page.draw(rev, value=i % 3, kind="stroke", radius=60, points=[x, 300, x + 90, 9])
        rev = done.json()["rev"]
        tiles.append(page.item()["tiles"])
    undone, last = [], list(range(1, 16))
    while last:
        rev = page.edit({"undoes": last.pop()}, rev).json()["rev"]
        undone.append(rev)
        assert page.item()["tiles"] == tiles[len(last)]
    while undone:
        rev = page.edit({"undoes": undone.pop()}, rev).json()["rev"]
    assert page.item()["tiles"] == tiles[15]
    assert page.item()["rev"] == 45
    assert page.item(2) == other


def test_an_edit_below_a_later_one_is_not_undone(page):
    page.lease()
    page.draw(0, **POLYGON)
    page.draw(1, value=2, **POLYGON)
    answer = page.edit({"undoes": 1}, 2)
    assert answer.status_code == 409
    assert "later ones changed" in answer.json()["error"]


def test_one_page_paints_and_another_takes_over_by_asking(page):
    other = page.other()
    assert page.lease().status_code == 200
    assert page.lease().status_code == 200  # prolonged
    refused = other.lease()
    assert refused.status_code == 423
    assert 0 < refused.json()["free_in_s"] <= LEASE_S
    assert other.draw(0, **POLYGON).status_code == 423
    assert other.lease(take="over").status_code == 200
    assert page.draw(0, **POLYGON).status_code == 423
    assert other.draw(0, **POLYGON).status_code == 200
    other.lease(take="end")
    assert other.draw(1, **POLYGON).status_code == 423


def test_another_browser_waits_for_the_end_of_the_lease(project, page):
    stranger = make_page(project)
    stranger.client = "stranger"
    page.lease()
    assert stranger.lease(take="over").status_code == 423
    stranger.client = page.client  # a name alone is not the lease
    assert stranger.draw(0, **POLYGON).status_code == 423
    stranger.client = "stranger"
    with project.store.write() as connection:
        change_item(connection, 1, lease_until=1.0)
    assert stranger.lease().status_code == 423  # it has to ask
    assert page.draw(0, **POLYGON).status_code == 200  # nobody took it: it goes on
    with project.store.write() as connection:
        change_item(connection, 1, lease_until=1.0)
    assert stranger.lease(take="over").status_code == 200
    assert page.draw(1, **POLYGON).status_code == 423
