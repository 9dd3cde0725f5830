"""The benchmarks: the measurements, the machine that they run on, and their display."""
