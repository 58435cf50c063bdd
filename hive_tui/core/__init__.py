"""What is true and what to do about it: no Textual, no backend, no network, no clock."""
