"""Convert a dataset into another format, with an account of what was lost."""
