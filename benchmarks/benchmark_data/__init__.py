"""Real tables and pictures with labels, read out of Debian packages: ``make benchmark-data`` brings them."""

from benchmark_data.pictures import Pictures, fashion_mnist
from benchmark_data.tables import TABLES, Split, Table, tabular

__all__ = ["TABLES", "Pictures", "Split", "Table", "fashion_mnist", "tabular"]
