"""Rows that ask a model of trees at each of its splits: where a converted tree goes wrong, if it does."""

from edgekit.classical.probing.rows import Probed, probed

__all__ = ["Probed", "probed"]
