"""The running CA: its process, sockets and connections, and what it does beside answering."""
