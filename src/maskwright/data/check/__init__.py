"""Check a dataset: find what spoils training, with files, counts and fix."""
