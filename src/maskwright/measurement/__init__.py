"""How much, how wide, how far: real units from class maps, and limits to hold them against."""
