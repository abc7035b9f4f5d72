"""The sieve: finds out, before a long replay, for which entities a rule can fire at all; all others need no judging."""
