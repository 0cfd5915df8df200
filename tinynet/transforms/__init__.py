"""Transforms of images, under torchvision's names; `tinynet.vision.transforms` has the code."""

from ..vision.transforms import *
