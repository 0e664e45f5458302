"""Objectives: what is minimised, pure functions of a reconstruction and its images. One file each."""
