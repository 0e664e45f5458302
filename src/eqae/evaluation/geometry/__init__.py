"""Decision regions of a linear probe, convex hulls of training images, and what lies on the way between them."""
