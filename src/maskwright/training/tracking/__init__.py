"""What a run records while it trains, and the page and the boards that show it."""
