"""Transforms of images as functions; `tinynet.vision.transforms.functional` has the code."""

from ..vision.transforms.functional import *
