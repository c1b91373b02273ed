"""What the recogniser and the filter of hallucinations make of noises, and of short words."""
