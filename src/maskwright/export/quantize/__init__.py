"""Post-training quantisation of a graph to int8, by its scores."""
