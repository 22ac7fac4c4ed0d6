"""Augmentations, on the device and batch by batch: geometry is shared, appearance is not."""
