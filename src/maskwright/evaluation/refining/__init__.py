"""`tune-refine`: choose the refiners of a model, and show that they help."""
