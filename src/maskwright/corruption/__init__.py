"""Corruptions of images by published definitions, seeded, for any number of bands."""
