"""One attempt at one upload: prepare, ask, send, tag; it knows nothing of the queue."""
