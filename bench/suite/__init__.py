"""The benchmarks: what is measured, the machine it is measured on, and how it is shown."""
