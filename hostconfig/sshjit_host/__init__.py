"""What runs on servers: it keeps sshd trusting exactly what the signed bundle says."""
