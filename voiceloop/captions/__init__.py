"""Live captions: words while they are spoken, and files of cues when they are final."""
