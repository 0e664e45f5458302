"""Train an equivariant autoencoder and its baselines: ``uv run train.py --config configs/eqae_p4m.yaml``."""

import sys

from eqae.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
