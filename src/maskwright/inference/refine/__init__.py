"""Refiners, which decide the classes of an image from its logits and its pixels: one file each.

To add one, write `inference/refine/<name>.py` with the names of
`inference.refiner.RefinerPart`. Change nothing else: `--refine NAME` finds the file, and
`tests/contracts/test_refiners.py` checks the contract.
"""
