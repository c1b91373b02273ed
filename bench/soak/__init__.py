"""Long runs: an hour of talk, ten thousand requests with faults."""
