"""Dataset formats, one file or folder each; `data/entries/format.py` defines their protocol.

To add a format, write `data/formats/<name>.py` with the names of `Format`; no other file
changes. `tests/contracts/test_formats.py` finds the file and checks the contract. Formats do
not import each other: code that several use is in `data/layouts/`, `data/reading/` and
`data/shapes/`.
"""
