"""Backends: where agents run, where issues live, which agent works."""
