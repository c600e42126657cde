"""Verdicts on images: thresholds chosen for a rate of misses, and the rates they have."""
