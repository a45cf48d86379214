"""Benchmarks of what people meet, each with `add_arguments` and `run`."""
