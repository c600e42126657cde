"""A search over values of a recipe."""
