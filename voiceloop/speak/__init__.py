"""From a reply to samples."""
