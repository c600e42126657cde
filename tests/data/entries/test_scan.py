"""A scan puts its entries in order, whatever order a format finds them in."""

from pathlib import Path

from maskwright.data.entries.scan import Entry, Scan


def test_a_scan_sorts_by_split_and_key():
    places = [("val", "a"), ("train", "b"), ("train", "a")]
    entries = tuple(
        Entry(key=key, split=split, image=Path(f"{key}.png"), labels=None, group=key)
        for split, key in places
    )
    scan = Scan(entries=entries)
    assert [(e.split, e.key) for e in scan.entries] == sorted(places)
