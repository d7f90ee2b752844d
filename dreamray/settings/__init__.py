"""What is asked for, validated: a dream, and how to run it."""
