"""Data: what a sample is, in which order samples come, and how they become batches.

`dataset`, `sampler` and `loader` hold what `tinynet.utils.data` offers. Data sets of images and
their transforms stand in `tinynet.vision`.
"""
