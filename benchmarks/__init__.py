"""What `make benchmark` measures: speeds, sizes and latencies, each beside something measured in the same run."""
