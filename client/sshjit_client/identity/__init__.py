"""Who one is: signing in, the kept sign-in, and signatures by its key."""
