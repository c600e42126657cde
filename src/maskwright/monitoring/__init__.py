"""What changes between the images a model was made for and those that it sees."""
