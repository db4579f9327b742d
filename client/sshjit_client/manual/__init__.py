"""What is made from the help texts: completion for three shells, and the manual page."""
