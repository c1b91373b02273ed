"""The rates at which sound is played to the virtual loudspeaker and into the microphone's cable."""

SPEAKER_HZ, MIC_HZ = 24_000, 16_000
