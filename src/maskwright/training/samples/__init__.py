"""From Samples to batches: augmentation, mixing and loading."""
