"""Scans of one glass slide laid on one another for the eye: lazily, chunk by chunk.

Everything here computes pixels and places; showing them is the plugin's. All composites live on
the level grids of the hub, the scan that the others were registered to.
"""
