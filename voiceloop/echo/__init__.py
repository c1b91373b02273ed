"""Echo: the echo canceller, and two detectors for a reply that the microphone heard: by its sound and by its words."""
