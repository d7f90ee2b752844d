"""What several tests need to start, compute with, or compare to."""
