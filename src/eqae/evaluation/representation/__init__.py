"""What features are like, beyond how well a classifier does on them: geometry, stability, honesty."""
