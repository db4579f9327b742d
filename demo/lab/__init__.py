"""The lab: everything that an installation of ssh-jit has, as real processes on loopback, and four people to use it."""

from demo.lab.lab import Lab
from demo.lab.people import Person, Typist
from demo.lab.processes import LabError, Program, Result

__all__ = ["Lab", "LabError", "Person", "Program", "Result", "Typist"]
