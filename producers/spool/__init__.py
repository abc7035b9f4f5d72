"""The spool: events on the disk of their own machine until Kafka has acknowledged them."""
