"""Types of dataset options, with their ranges; the registry checks a user's values against them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Size = Annotated[int, Field(ge=1, le=1024)]
"""Height and width of square images, in pixels."""

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A share of the images, neither none nor all."""
