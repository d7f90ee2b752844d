"""The families: a module or a package for each group, which registers them when imported."""
