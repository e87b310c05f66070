"""One training: epochs, checkpoints, validation."""
