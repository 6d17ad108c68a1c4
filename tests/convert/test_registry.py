"""The table of routes: from edgekit's own files and the user's, a pair once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit import content
from edgekit.convert import registry
from edgekit.errors import InputError
from edgekit.verify import Tolerance

CONVERTER = '''
from edgekit.convert.registry import converter
from edgekit.verify import Tolerance

@converter(source="{source}", target="{target}", extra="x", requires={{"{module}": "a-package"}}, tested={{}},
           tolerance=Tolerance())
def convert(source, options, output):
    """Write nothing."""
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.edgekit]\n")
    (tmp_path / "converters").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "converters"


def test_every_converter_file_gives_the_routes_its_name_says() -> None:
    expected = {tuple(path.stem.split("_")) for path in content.files("converters", ".py")}
    assert {(route.source, route.target) for route in registry.routes()} == expected


def test_routes_are_sorted_and_complete() -> None:
    routes = registry.routes()
    assert [(r.source, registry.TARGETS.index(r.target)) for r in routes] == sorted(
        (r.source, registry.TARGETS.index(r.target)) for r in routes
    )
    for route in routes:
        assert route.convert.__doc__
        assert "float32" in route.schemes
        assert route.tolerance != Tolerance()
        assert registry.get(route.source, route.target) is route


def test_a_missing_pair_lists_what_exists() -> None:
    with pytest.raises(
        InputError, match="convert tflite to onnx: there is no such route; from tflite there are: tflite"
    ):
        registry.get("tflite", "onnx")
    with pytest.raises(InputError, match="unknown target; targets: onnx, tflite, coreml"):
        registry.get("torch", "openvino")
    with pytest.raises(InputError, match="there is no route from caffe"):
        registry.get("caffe", "onnx")


def test_a_users_file_is_a_route_while_one_is_in_their_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = registry.routes()
    (project / "mine_onnx.py").write_text(CONVERTER.format(source="mine", target="onnx", module="no_such_module"))
    (project / "_private.py").write_text("raise RuntimeError")
    assert len(registry.routes()) == len(before) + 1
    route = registry.get("mine", "onnx")
    assert route.unavailable_because() == "a-package not installed: pip install 'edgekit[x]'"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text("")
    monkeypatch.chdir(elsewhere)
    assert registry.routes() == before


def test_a_pair_that_is_taken_names_both_files(project: Path) -> None:
    (project / "mine.py").write_text(CONVERTER.format(source="torch", target="onnx", module="os"))
    with pytest.raises(InputError, match=r"converter torch → onnx in .*mine\.py: .*torch_onnx\.py has registered it"):
        registry.routes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "load converter broken.py: ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 +", "load converter broken.py: SyntaxError"),
        (CONVERTER.format(source="a", target="pdf", module="os"), "converter a → pdf: unknown target; targets: onnx"),
    ],
)
def test_a_broken_file_is_named(project: Path, text: str, message: str) -> None:
    (project / "broken.py").write_text(text)
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            registry.routes()
        assert message in str(caught.value)


def test_a_vendors_platform_is_the_reason() -> None:
    import dataclasses

    route = dataclasses.replace(registry.get("onnx", "onnx"), platforms=("plan9",))
    assert route.unavailable_because() == "the vendor's converter exists for plan9 only"
