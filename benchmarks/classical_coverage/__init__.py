"""How much of scikit-learn converts, counted."""
