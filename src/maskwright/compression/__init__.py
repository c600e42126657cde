"""Make a trained network smaller and faster: prune it, and choose how it is run."""
