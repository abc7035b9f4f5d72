"""Finds out why calls fail or are not recorded. Looks and connects; changes nothing, and shows no key."""
