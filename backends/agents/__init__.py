"""Which agent command line does the work."""
