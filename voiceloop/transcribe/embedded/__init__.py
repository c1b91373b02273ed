"""Recognisers that run in this process: whole clips, in threads, without a key and without the network."""
