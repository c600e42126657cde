"""Metric families: each file is a `maskwright.metrics.family.Family`.

A family counts one image, derives scores from summed Counts, and describes them for reports,
images.csv and comparisons. Nothing else is edited to add one.
"""
