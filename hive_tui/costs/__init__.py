"""What agents use and cost: their transcripts, an index of them, prices, and sums of all of it."""
