"""Transforms of images, under torchvision's names; `functional` has them as functions."""

from .transforms import *
