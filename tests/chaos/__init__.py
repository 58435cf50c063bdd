"""Two dispatchers at once, and dispatchers that die at every line."""
