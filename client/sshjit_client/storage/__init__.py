"""What the client keeps on this machine, and where."""
