"""Compare two reports: differences, their intervals, and the page that shows them."""
