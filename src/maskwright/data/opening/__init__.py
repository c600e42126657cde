"""Open a folder: find its format, classes and splits."""
