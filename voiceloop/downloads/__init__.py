"""Models fetched to this machine's disk: whole, resumed and checked. `models/` says which there are."""
