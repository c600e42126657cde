"""Checkpoint -> Bundle: graphs that are proven to say what the network says."""
