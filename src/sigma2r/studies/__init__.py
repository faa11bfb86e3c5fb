"""Runs, their records, and the studies that are made of them."""
