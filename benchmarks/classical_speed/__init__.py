"""How fast classical models are once converted, and how large."""

import os

# One thread on every side; read when numpy and the libraries of trees are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
