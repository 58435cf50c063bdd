"""What the screen of one thing shows, tab by tab; pure renderers, the caller passes `now`."""
