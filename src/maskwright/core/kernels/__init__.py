"""The innermost loops: their contract, the choice of the fastest one, and what they work on."""
