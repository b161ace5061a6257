"""From cases to batches of augmented patches, with what a live teacher says of them."""
