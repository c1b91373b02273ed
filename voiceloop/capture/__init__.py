"""From the microphone to utterances."""
