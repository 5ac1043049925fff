"""How well, how fast and in how much memory networks are trained: `python -m benchmarks.training ROW`, see ../README.md."""
