"""Fuzzing of all that opens the file of a stranger: seeds, mutations, a run that counts."""
