"""What LLM providers send over the wire: requests, answers and streams, read beside the traffic. Pure, never raises."""
