"""The benchmarks: every figure has a command, `flipbot bench NAME`, that prints a small table."""
