"""The log: written, read, verified, proved, erased and handed on."""
