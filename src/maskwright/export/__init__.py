"""Checkpoint -> Bundle: graphs that were tested against the network."""
