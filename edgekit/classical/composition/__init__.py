"""Estimators made of other estimators: pipelines, votes, calibration, one model a class."""
