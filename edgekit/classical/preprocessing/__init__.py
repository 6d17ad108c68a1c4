"""Transformers of columns: scaling, encoding, imputing, expanding, selecting."""
