"""The project's own fuzzers: valid examples of everything that comes from outside, mutated, against the code that reads
it, in this process. `scripts/bench fuzz`."""
