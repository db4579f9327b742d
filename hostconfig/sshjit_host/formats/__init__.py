"""What the host program reads that others wrote: bundle, checkpoint, key revocation lists, keys, certificates. Pure."""
