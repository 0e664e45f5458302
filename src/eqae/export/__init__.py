"""Trained features as one file that runs without this package: ``python -m eqae.export RUN --to onnx``.

A file takes pixels as they are stored, uint8 ``(N, C, H, W)``, and gives features ``(N, D)`` float32. Filters are
expanded, normalisation is folded into them, the decoder is left out; every file is compared with the model before it
is kept. See :func:`eqae.export.exporting.export_features`.
"""
