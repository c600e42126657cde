"""Dataset formats: one file or folder each; `data/entries/format.py` says what each offers.

To add one, write `data/formats/<name>.py` with the names of `Format` and change nothing else:
`tests/contracts/test_formats.py` finds the file and checks the contract. Parts do not import
each other: what several share lies in `data/layouts/`, `data/reading/` and `data/shapes/`.
"""
