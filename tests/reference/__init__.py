"""Slow float64 loops, written from the paper's equations with lists and ``math``; nothing of sigma2r in here."""
