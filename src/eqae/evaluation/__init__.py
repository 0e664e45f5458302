"""Features of every image under every tested transform, and the evaluators that judge them."""
