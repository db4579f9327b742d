"""Sessions by our certificates: registered when they open, ended in time, reported to the CA."""
