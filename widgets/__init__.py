"""Reusable Textual widgets; they know the core and Textual, nothing else."""
