"""Live captions: words shown while they are spoken, and subtitle files of the final words."""
