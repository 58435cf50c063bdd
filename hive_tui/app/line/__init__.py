"""The line behind `:`: what it means, how it is completed, what was typed before, how it is carried out."""
