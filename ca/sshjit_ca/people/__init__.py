"""Sign-in, and whom an operator means."""
