"""Tools that tests and benchmarks share: the virtual cable, the loopback server, and fakes that record."""
