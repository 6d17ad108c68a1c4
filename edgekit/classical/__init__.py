"""Fitted classical estimators as torch modules that answer exactly as the originals do.

scikit-learn, XGBoost and LightGBM are not imported: a fitted estimator is known by its type's name and read through its
fitted attributes. One folder a kind, one file a family; each rule is a small function that
is registered by the names it serves:

    @rule("LinearRegression")
    def linear_regression(estimator, context):
        return fitted(affine, weights=estimator.coef_, bias=estimator.intercept_)
"""

from edgekit.classical.fitted import fitted
from edgekit.classical.registry import Context, build, known, rule

__all__ = ["Context", "build", "fitted", "known", "rule"]
