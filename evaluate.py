"""Judge any number of models in one table: ``uv run evaluate.py checkpoints/eqae_p4m zernike pca``."""

import sys

from eqae.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
