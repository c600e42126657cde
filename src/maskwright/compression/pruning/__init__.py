"""Remove channels from a network that is trained, and train what is left."""
