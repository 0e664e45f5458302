"""Objectives: what is minimised, each a map from one step of training to a scalar. One file each."""

from eqae.objectives.base import (
    Objective,
    Subject,
    build_objective,
    check_all_trained,
    check_needs,
    check_objectives,
)
from eqae.objectives.step import Step

__all__ = ["Objective", "Step", "Subject", "build_objective", "check_all_trained", "check_needs", "check_objectives"]
