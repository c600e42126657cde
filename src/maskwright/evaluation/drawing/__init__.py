"""Charts, galleries and wording that several pages share."""
