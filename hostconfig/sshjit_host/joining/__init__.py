"""One command in, one command out: what ``join`` changes, and how all of it is undone."""
