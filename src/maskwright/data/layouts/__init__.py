"""File layouts shared by several formats."""
