"""How fast ssh-jit is, each time as a ratio to something that everybody knows, measured in the same run.

``python -m bench`` runs every line and prints a table; ``python -m bench NAME…`` some of them. Absolute times depend on
the machine and on who else uses it; ratios of things that were measured in turn, a second each, hardly do.
"""
