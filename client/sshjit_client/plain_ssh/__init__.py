"""Plain ``ssh``, ``scp``, ``git`` and the rest with our certificates: what is written for them, and kept fresh."""
