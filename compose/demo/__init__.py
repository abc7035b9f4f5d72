"""The demo: an hour of real LLM traffic and three live incidents through the whole one-machine stack."""
