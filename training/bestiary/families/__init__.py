"""The families, a module for each group; importing a module registers its families."""
