"""HTML pages that need nothing else: one frame, one style, and the pieces they share."""
