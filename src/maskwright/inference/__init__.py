"""Images -> Predictions at source resolution; torch only in `engines/torch.py`."""
