"""The vocabulary and the rules of ssh-jit.

Everything here is pure: no input or output, no clock, no randomness, no environment and nothing from outside the
standard library. Time, random bytes and file contents arrive as arguments, so that each rule can be read, tested and
trusted by itself. The programs (``ca``, ``webapp``, ``client``) are thin around it.
"""
