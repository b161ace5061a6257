"""Random changes of a patch: what few cases lack. recipe.py says which and how often."""
