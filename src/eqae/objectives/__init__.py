"""Objectives: what is minimised, pure functions of a reconstruction and what it is of. One file each.

The second argument is :meth:`eqae.models.base.Autoencoder.views` of the clean images: ``(B, C, H, W)``, to be compared
with ``output.images``, or, where ``output.views`` is not None, ``(B, K·C, H, W)``, to be compared with that.
"""
