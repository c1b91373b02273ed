"""Turn-taking, measured at both ends of a virtual cable."""
