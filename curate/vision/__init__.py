"""Pixels: decoding, perceptual hashes, encoders, neighbours."""
