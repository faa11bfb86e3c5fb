"""Training with Lightning: the module, its callbacks and the measures taken after an epoch."""
