"""Choose a recipe from facts of the data and of the machine."""
