"""Matrices taken apart: projections, factors, manifolds, dictionaries."""
