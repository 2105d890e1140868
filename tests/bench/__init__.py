"""Speed and memory against their bars: `make bench` measures and writes docs/benchmarks.md."""
