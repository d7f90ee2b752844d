"""The exact ascent on tiles, on this machine or wherever an executor has its workers."""
