"""How alike images are to a layer when its positions may be matched freely (Wald et al., NeurIPS 2024)."""
