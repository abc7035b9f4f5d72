"""Wire contracts: what travels over Kafka, and the rules that are data. Imports nothing of ours."""
