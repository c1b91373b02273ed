"""What the microphone loses when the program's callbacks come late. `scripts/bench stalls` runs it."""
