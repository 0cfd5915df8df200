"""Convolution, and what works on images like it. Read `plain` first.

`geometry`: where taps meet the image. `plain`: the three maps, their derivatives, and the plain
way to compute them. `fast`: the fast way. `pooling`, `windows`: the largest value and the sum under
a window. `channels`, `norms`: one line per channel, and normalisation.
"""
