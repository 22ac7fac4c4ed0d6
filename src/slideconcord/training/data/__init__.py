"""Tiles with masks: where they come from, which are learnt from, and in what order."""
