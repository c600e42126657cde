"""Find the graph and the engine that are fast enough and keep the score of a network."""
