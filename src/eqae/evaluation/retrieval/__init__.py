"""Nearest neighbours as a user of the features meets them: images of one kind, and turned copies of one image."""
