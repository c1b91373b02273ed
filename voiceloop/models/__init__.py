"""Models on this machine's disk: which can be had and from where, fetching them whole, and removing them again."""
