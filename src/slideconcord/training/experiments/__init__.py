"""Experiments: many trainings that differ in one thing, and the table that they make."""
