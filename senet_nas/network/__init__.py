"""Backbones, SE blocks, and the network of an architecture."""
