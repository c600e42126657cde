"""Dataset formats: one file each.

To add one, write `data/formats/<name>.py` with

* `recognises(root: Path) -> bool`: whether the folder is laid out this way; looks at names of
  folders and files alone;
* `scan(root: Path, document: DatasetFile) -> Scan`: every image with its mask file and split,
  sorted by key, and what does not pair; reads no pixels. Where the layout itself names the
  classes, `Scan.classes` and `Scan.codec` hold them as dataset.yaml would.

Change nothing else: `tests/contracts/test_formats.py` finds the file and checks the contract.
"""
