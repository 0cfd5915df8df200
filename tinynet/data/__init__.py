"""Data: what a sample is, in which order samples come, and how they become batches.

`dataset`, `sampler` and `loader` hold what `tinynet.utils.data` offers. `image_set` is the base
class of the data sets in `mnist` and `cifar` (public as `tinynet.datasets`), whose files
`download` fetches. `transforms` changes images (public as `tinynet.transforms`).
"""
