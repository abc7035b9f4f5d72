"""Erasure: the keys of sealed fields, what an erasure does, and what a person has a right to see."""
