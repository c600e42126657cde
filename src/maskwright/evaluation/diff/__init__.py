"""Compare two versions of a dataset: classes, images and pixels that changed."""
