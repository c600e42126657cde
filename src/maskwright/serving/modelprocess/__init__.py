"""The process of one model: decodes, batches, runs the engine and encodes answers."""
