"""From a trained model to a verified bundle."""

import sys
from types import ModuleType
from typing import Any

from edgekit.convert.pipeline import convert
from edgekit.convert.registry import converter, get, routes
from edgekit.convert.result import ConvertResult, Failure

__all__ = ["ConvertResult", "Failure", "convert", "converter", "get", "routes"]


class _Verb(ModuleType):
    """This package, callable: once imported, it stands in ``edgekit.convert`` where the function would."""

    def __call__(self, *args: Any, **kwargs: Any) -> ConvertResult:
        return convert(*args, **kwargs)


sys.modules[__name__].__class__ = _Verb
