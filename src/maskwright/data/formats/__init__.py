"""Dataset formats: one file each.

To add one, write `data/formats/<name>.py` with

* `recognises(root: Path) -> bool`: whether the folder is laid out this way; looks at names of
  folders and files, and into one file where these do not tell (`documents.first_glimpse`);
* `scan(root: Path, document: DatasetFile) -> Scan`: every image with its labels and split,
  sorted by split and key, and what does not pair; reads no pixels. Where the layout itself
  names the classes, `Scan.classes` and `Scan.codec` hold them as dataset.yaml would; with
  `codec.pixels` said they are complete.

Where labels are shapes, an entry's `labels` are an `Annotation` whose `read` gives the Drawing
of one image, `codec.pixels` is "name", and `Scan.classes` lists the labels that occur, sorted,
unless dataset.yaml lists classes (`shape_classes` in `data/entries/annotation.py` does both).

A format that reads `label_key` or `runs` of dataset.yaml names them in `READS: frozenset[str]`;
where it does not, they are refused.

A format that can be written too has

* `HOLDS: frozenset[str]`: what it has a place for, of "overlaps", "attributes", "instances",
  "ignored" (IGNORE told from every class) and "splits";
* `write(folder: Path, picture: Picture) -> Written`: the files of one image, and what of it
  could not be held; called once an image, in any order;
* `finish(folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None`: what is written
  once, from what `write` recorded of each image;
* `codec_for(spec: LabelSpec, background: int | None) -> LabelCodec`: how what was written is
  read back; it goes into dataset.yaml.

Change nothing else: `tests/contracts/test_formats.py` finds the file and checks the contract.
Parts do not import each other: what several share lies in `data/` and `data/shapes/`.
"""
