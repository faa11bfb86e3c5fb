"""Speed and memory as ratios against named rivals, measured side by side: ``python -m benchmarks [NAME ...]``."""
