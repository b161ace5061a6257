"""Cases on the student's grid: what there is, where it lies, and the run folder of a stage."""
