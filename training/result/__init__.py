"""What leaves training: the quantised network and the model card."""
