"""Makes a release: version, changelog, checks, files, signatures and tag. ``docs/release.md`` explains it.

Everything happens in clones in a temporary folder. This repository gets the result as the last step, or nothing.
"""
