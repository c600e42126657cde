"""Verdicts on images: the regions above a threshold, and counts for every threshold."""
