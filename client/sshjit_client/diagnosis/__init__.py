"""What ``ssh-jit doctor`` looks at. Each module makes findings; the command prints them."""
