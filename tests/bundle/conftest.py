from __future__ import annotations

from pathlib import Path

import pytest
from bundle_parts import Parts, make_parts


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return make_parts(tmp_path / "work")
