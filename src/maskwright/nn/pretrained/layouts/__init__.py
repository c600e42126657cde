"""Layouts of published checkpoints, one file each; see `nn.pretrained.layout.Layout`."""
