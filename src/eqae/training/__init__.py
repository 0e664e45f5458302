"""Training: a thin Lightning module, callbacks, tracking, and the one function that fits a model."""
