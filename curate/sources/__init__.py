"""Readers of what people have: tars as img2dataset writes them, image folders, lists; one file per format."""
