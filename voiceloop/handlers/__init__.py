"""From text to a reply."""
