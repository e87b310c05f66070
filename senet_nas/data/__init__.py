"""Images and signals: read, checked, split, augmented and batched."""
