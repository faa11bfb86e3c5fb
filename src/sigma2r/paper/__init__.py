"""arXiv 2009.08796, run again: its printed numbers, its studies, its claims and what was found of them."""
