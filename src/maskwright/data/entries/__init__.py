"""The images of a dataset and what belongs to each: labels, votes, shapes."""
