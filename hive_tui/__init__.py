"""A terminal console, a command line and a dispatcher for fleets of coding agents."""

__version__ = "0.1.0"
