"""The authority: it verifies who signed in, decides, signs, and writes down what it did.

Reads and writes its keys and its log; talks to providers (for their keys) and over two Unix sockets. No Flask and no
HTTP server run in this process.
"""
