"""What a model is for, measured: metrics of answers against labels, and what a conversion takes from them.

``metric_named`` finds a metric, ``read_labels`` the labels, ``measured`` compares two models on the same samples.
"""

from edgekit.metrics.labels import read_labels
from edgekit.metrics.loss import MetricLoss, measured, require_fit
from edgekit.metrics.metric import Metric, metric_named

__all__ = ["Metric", "MetricLoss", "measured", "metric_named", "read_labels", "require_fit"]
