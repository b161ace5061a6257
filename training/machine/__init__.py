"""Where it runs: device, precision, processes."""
