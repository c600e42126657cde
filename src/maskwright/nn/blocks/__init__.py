"""Pieces that several architectures are made of; no architecture imports another."""
