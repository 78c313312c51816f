"""The stages, one short file each; catalog.py lists them."""
