"""What the library costs, beside others, what one writes by hand, and the limit: `python3 benchmarks/run.py`."""
