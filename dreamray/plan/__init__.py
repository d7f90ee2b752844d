"""Pure arithmetic: octaves, tiles, and the memory and work that they take."""
