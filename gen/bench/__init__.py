"""The benchmarks: every figure has a command, `flipbot bench NAME`, that prints a small table."""

BENCHES = {
    "parity": "the engine's numbers against the published code's",
    "overhead": "what a section takes beside the calls of its model",
    "vram": "a GPU's memory and traffic; with --plan, planned on any machine",
    "ram": "the RAM that the 13 B model takes, from files of its full size",
    "growth": "a long film's last section against its second",
    "publish": "how soon the film so far is a file",
    "resume": "films that are killed again and again, against unbroken ones",
    "tiny": "what the tiny model can do, on photographs that it never saw",
    "renditions": "films made to fit a platform's limit",
    "fairness": "who waits how long where many share one GPU",
    "queue": "enqueue and claim, with few and with very many waiting",
}
