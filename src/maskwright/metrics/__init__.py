"""Exact scores from label maps and logits: each family counts one image, and scores the sum.

A family is one module. Its `count(...)` gives the Counts of one image, which add up over images
and workers; its `scores(counts)` derives from them, with any number of leading axes, so that a
bootstrap derives all its replicates in one call.
"""
