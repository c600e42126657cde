"""Readers of image files: one file per kind, loaded by name with `Reader` of `imagefile`."""
