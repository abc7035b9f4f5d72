"""The one-machine stack: a real Kafka and a real ClickHouse engine from pip-installed parts."""
