"""The front end's server: an event loop in front of Flask's threads, by Granian's RSGI.

The loop answers what needs no view, reads bodies within a deadline, and only then gives a request to a thread. So
whoever sends slowly keeps nobody else waiting.
"""
