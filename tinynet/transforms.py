"""Transforms of images, under torchvision's names; `tinynet.data.transforms` has the code."""

from .data.transforms import *
