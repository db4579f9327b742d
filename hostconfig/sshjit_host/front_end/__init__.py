"""What the host program and the front end say to each other."""
