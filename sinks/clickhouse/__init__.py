"""The ledger: writer, migrations and queries."""
