"""Exact scores from label maps and logits: each family counts one image, and scores the sum.

The modules here are the mathematics. `count(...)` gives the Counts of one image, which add up
over images and workers; `scores(counts)` derives from them, with any number of leading axes, so
that the scores without each group of images come from one call. `families/` has one file per
metric family, which names the mathematics, its words, and when it is counted.
"""
