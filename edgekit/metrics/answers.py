"""What of a model's outputs a metric is computed of; refused where that is not plain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array

_ASKED = "measure the metric"
_OWN = "name a function of your own: --metric module:function"


def scores_of(outputs: Mapping[str, Array], labels: Array) -> Array:
    """The answers that name a class: texts or integers [n, ...], or scores a class [n, ..., classes].

    Where a model gives its label beside its scores, the labels' own kind decides nothing: its label is taken if it is
    text, else the scores, which tell more.

    Raises:
        InputError: no output, or more than one, can be that.
    """
    text = labels.dtype.kind in "OUS"
    labelled = {name: array for name, array in outputs.items() if array.dtype.kind in "iuOUS"}
    scored = {name: array for name, array in outputs.items() if array.dtype.kind == "f"}
    if text:
        found = {name: array for name, array in labelled.items() if array.dtype.kind in "OUS"}
        if not found:
            why = "the labels are text, and no output is"
            raise InputError(_ASKED, why, "give the classes' positions, 0 for the first")
    else:
        found = scored or labelled
    if len(found) > 1:
        # A classifier's scores are those whose last axis counts classes.
        found = {name: array for name, array in found.items() if array.ndim > labels.ndim} or found
    if len(found) != 1:
        raise InputError(_ASKED, f"{_listed(outputs)} could each be meant", _OWN)
    (array,) = found.values()
    return _squeezed(array, labels)


def numbers_of(outputs: Mapping[str, Array], labels: Array) -> Array:
    """The one output of numbers that has as many as the labels.

    Raises:
        InputError: none has, or several have.
    """
    found = [array for array in outputs.values() if array.dtype.kind in "fiu" and array.size == labels.size]
    if len(found) != 1:
        many = "no output has" if not found else f"{len(found)} outputs have"
        raise InputError(_ASKED, f"{many} the labels' {labels.size} numbers: {_listed(outputs)}", _OWN)
    return found[0]


def _squeezed(array: Array, labels: Array) -> Array:
    """Without axes of size 1 that the labels do not have: [n, 1, 1, classes] of a fully convolutional network."""
    wanted = labels.ndim + (array.dtype.kind == "f")
    axis = array.ndim - 2
    while array.ndim > wanted and axis > 0:
        if array.shape[axis] == 1:
            array = np.squeeze(array, axis=axis)
        axis -= 1
    return array


def _listed(outputs: Mapping[str, Array]) -> str:
    return ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in outputs.items())
