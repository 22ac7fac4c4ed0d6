"""Does the model say the same on every scanner: pairwise Dice, its ceiling, accuracy, intervals.

The protocol is that of SCORPION (arXiv 2507.20907), section 2.3, with what a number needs beside it
to be believed: how much of the disagreement registration alone explains, and whether what the
scanners agree on is true.
"""
