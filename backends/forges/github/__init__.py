"""Issues and pull requests of repositories on GitHub, or on an Enterprise server of one's own."""
