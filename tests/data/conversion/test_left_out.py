"""Every sample that a conversion does not write stands in its account with the reason."""

import json
import shutil

import numpy as np

from maskwright.data.check.audit import audit
from maskwright.data.conversion.account import Account
from maskwright.data.conversion.convert import convert
from maskwright.data.entries.scan import LeftOut, Scan
from maskwright.data.formats import mask_folder


def test_masks_without_image_and_images_without_mask_stand_in_the_account(
    write, pairs, tmp_path
):
    lone = np.zeros((12, 16), np.uint8)
    files = pairs(2, split="train") | {"masks/train/gone.png": lone}
    bare = {"images/test/bare.png": np.zeros((12, 16, 3), np.uint8)}
    source = write({f"source/{name}": content for name, content in (files | bare).items()})

    account = convert(source / "source", tmp_path / "target", to="mask_folder")

    assert account.left_out == {
        "images without labels": ("bare",),
        "labels without an image": ("masks/train/gone.png",),
    }
    assert "left out: labels without an image: 1 (masks/train/gone.png)" in account.to_text()
    assert "lost: nothing" not in account.to_text()
    document = json.loads((tmp_path / "target/conversion.json").read_text())
    assert document["left_out"]["labels without an image"] == ["masks/train/gone.png"]


def test_nothing_is_lost_only_where_nothing_was_left_out(tmp_path):
    account = Account(
        source=str(tmp_path), target=tmp_path, source_format="coco", target_format="yolo"
    )
    assert "lost: nothing" in account.to_text()
    account.left_out["images that are listed and not there"] = tuple("abcd")
    assert "lost: nothing" not in account.to_text()
    assert "images that are listed and not there: 4 (a, b, c, ...)" in account.to_text()


def test_a_scan_names_lone_masks_below_its_root(tmp_path):
    scan = Scan(
        entries=(), lone_masks=(tmp_path / "a/b.json",), left_out=(LeftOut("x", ("y",)),)
    )
    assert scan.list_left_out(tmp_path) == (
        LeftOut("labels without an image", ("a/b.json",)),
        LeftOut("x", ("y",)),
    )


def test_an_archive_names_what_was_left_out_below_its_own_folder(write, pairs, tmp_path):

    lone = np.zeros((12, 16), np.uint8)
    write({f"d/{n}": c for n, c in (pairs(2) | {"masks/gone.png": lone}).items()})
    archive = shutil.make_archive(str(tmp_path / "d"), "zip", tmp_path / "d")
    account = convert(archive, tmp_path / "target", to="mask_folder")
    assert account.left_out == {"labels without an image": ("masks/gone.png",)}


def test_check_lists_what_a_scan_left_out(write, pairs, monkeypatch):

    plain = mask_folder.scan

    def scan(root, document):
        found = plain(root, document)
        left_out = (LeftOut("images that are listed and not there", ("x.jpg",)),)
        return Scan(entries=found.entries, left_out=left_out)

    monkeypatch.setattr(mask_folder, "scan", scan)
    (finding,) = (f for f in audit(write(pairs(4))).findings if f.code == "left-out")
    assert finding.examples == [("x.jpg", "images that are listed and not there")]
