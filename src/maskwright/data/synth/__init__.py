"""Draw a dataset of street scenes, for the demo and the tests."""
