"""Where a page's runtimes come from: a folder, the cache, or a registry that answers on this machine."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser_parts import packages_folder

from edgekit.bench.transports.web_runtimes import packages, provide
from edgekit.errors import InputError, TransportError

UTILS = "@litertjs/wasm-utils"


class Registry(SimpleHTTPRequestHandler):
    """Answers as npm's does: ``/@litertjs/core/-/core-2.5.3.tgz``."""

    asked: list[str] = []  # noqa: RUF012 - one registry a test

    def translate_path(self, path: str) -> str:
        self.asked.append(path)
        scope, _, file = path.strip("/").replace("/-/", "/").rpartition("/")
        owner = f"{scope.split('/')[0].lstrip('@')}-" if scope.startswith("@") else ""
        return f"{self.directory}/{owner}{file}"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Without npm, whose own configuration would decide.
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "cache"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    folder = packages_folder()
    Registry.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Registry, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_address[1]}/")
    yield Registry.asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_fetched_once(registry: list[str], cache: Path) -> None:
    said: list[str] = []
    found = provide(["tflite"], None, lambda step, _: said.append(step))
    assert registry == [f"/{name}/-/{name.split('/')[1]}-{packages()[name].version}.tgz" for name in found]
    assert said == [f"fetching {packages()[name].wanted} from the npm registry, once" for name in found]
    for name, folder in found.items():
        assert folder.is_relative_to(cache)
        assert {file.relative_to(folder).as_posix() for file in folder.rglob("*.*")} == set(packages()[name].files)
    assert provide(["tflite"], None) == found
    assert len(registry) == 2


def test_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:1")
    wanted = packages()["onnxruntime-web"].wanted
    with pytest.raises(TransportError, match=f"fetch {wanted}: the npm registry does not answer .*npm pack {wanted}"):
        provide(["onnx"], None)


def test_what_is_not_what_was_pinned(registry: list[str], tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    archive = folder / packages()["onnxruntime-web"].archive
    archive.write_bytes(b"something else")
    with pytest.raises(InputError, match="is not what npm has of it; run in it: npm pack onnxruntime-web@"):
        provide(["onnx"], folder)
    # What a registry sends is looked at just as well.
    Registry.asked.clear()
    other = packages_folder() / packages()[UTILS].archive
    shutil.copy(other, folder / packages()["@litertjs/core"].archive)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Registry, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(TransportError, match="not what was pinned: its digest is another"):
            provide(["tflite"], None)
    server.shutdown()
    server.server_close()
    assert not list(cache.rglob("*.js"))


def test_a_folder_of_npm(tmp_path: Path) -> None:
    for name in ("@litertjs/core", UTILS):
        place = tmp_path / "node_modules" / name
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"version": packages()[name].version}), encoding="utf-8")
    found = provide(["tflite"], tmp_path)
    assert found == {name: tmp_path / "node_modules" / name for name in found}
    with pytest.raises(InputError, match="onnxruntime-web is not in it; run in it: npm install onnxruntime-web@"):
        provide(["onnx"], tmp_path)
    (tmp_path / "node_modules" / UTILS / "package.json").write_text('{"version": "1.0.0"}', encoding="utf-8")
    with pytest.raises(InputError, match=f"{UTILS} there is 1.0.0, and the page wants"):
        provide(["tflite"], tmp_path)


def test_the_documentation_names_the_pinned_versions() -> None:
    text = (Path(__file__).parents[2] / "docs" / "benchmarking.md").read_text(encoding="utf-8")
    assert f"npm install {' '.join(one.wanted for one in packages().values())}\n" in text
