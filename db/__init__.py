"""The memory: what was asked, what is being made, what was shown. Frozen rows and verbs leave this room."""
