"""Small animals: insects and their kin, and the soft and shelled ones of the sea."""
