"""Trees: single ones, forests, boosting, and the libraries XGBoost and LightGBM."""
