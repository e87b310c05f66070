"""What is trained next? The door to optuna."""
