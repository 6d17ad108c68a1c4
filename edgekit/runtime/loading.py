"""From a bundle or a model file to a session."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import EdgekitError, ExecutionError, InputError, missing
from edgekit.runtime.engine import Engine
from edgekit.runtime.session import Session

if TYPE_CHECKING:
    from edgekit.bundle import Artifact, Bundle

_SUFFIXES = {".onnx": "onnx", ".tflite": "tflite", ".mlpackage": "coreml", ".mlmodel": "coreml"}


@dataclass(frozen=True)
class _Runtime:
    """What runs a target here.

    Attributes:
        modules: any one of each group must be importable.
        extra: what brings them.
        emulated: it tells what the model means, and not how a device runs it.
    """

    modules: tuple[tuple[str, ...], ...]
    extra: str
    emulated: bool = False

    def missing(self) -> str:
        """The first module that is not installed; empty where all are."""
        for group in self.modules:
            if not any(_found(module) for module in group):
                return group[0]
        return ""


_RUNTIMES = {
    "onnx": _Runtime((("onnxruntime",),), "runtime-onnx"),
    "tflite": _Runtime((("ai_edge_litert", "tflite_runtime"),), "runtime-tflite"),
    # Core ML itself where it exists, and edgekit's reference everywhere else.
    "coreml": _Runtime((("coremltools",),), "coreml")
    if sys.platform == "darwin"
    else _Runtime((("google.protobuf",), ("torch",)), "coreml-reference", emulated=True),
}


def load(
    path: str | Path,
    *,
    target: str | None = None,
    scheme: str | None = None,
    threads: int | None = None,
    native: bool = False,
    providers: Sequence[str] | None = None,
    profile: Path | None = None,
) -> Session:
    """Open a bundle (.edge, or an unpacked folder) or a model file (.onnx, .tflite, .mlpackage, .mlmodel) for running.

    Of a bundle it takes the verified artifact whose runtime is installed here and which answered fastest when the
    bundle was made; an artifact that nothing has executed only when ``target`` (and ``scheme``) name it. Core ML
    models are run by edgekit's reference evaluator where there is no Core ML, unless another artifact has a runtime.

    Args:
        path: the bundle or model file.
        target: ``onnx``, ``tflite`` or ``coreml``; ``None`` to choose.
        scheme: ``float32``, …; ``None`` to choose.
        threads: threads of the runtime; ``None`` leaves the choice to it.
        native: speak the model file's own names, dtypes and layout instead of the bundle's.
        providers: execution providers or delegates, the preferred one first; ``None`` for the runtime's own.
        profile: see :func:`open_engine`.

    Raises:
        InputError: no such file, or no such artifact in it.
        BundleError: a damaged bundle.
        MissingDependencyError: no runtime for any artifact is installed.
        ExecutionError: the runtime cannot load the model.
    """
    path = Path(path)
    kind = target_of(path)
    if kind is not None:
        if not path.exists():
            raise InputError(f"load {path}", "no such file", "check the path")
        if target not in {None, kind} or scheme is not None:
            raise InputError(f"load {path} as {target or scheme}", "it is a model file", "leave target and scheme off")
        return Session(open_engine(kind, path, threads=threads, providers=providers, profile=profile))
    from edgekit.bundle import Bundle

    bundle = Bundle.open(path)
    artifact = choose(bundle, target, scheme)
    engine = _open_artifact(bundle, artifact, threads=threads, providers=providers, profile=profile)
    if native:
        return Session(engine)
    return Session(
        engine,
        bundle.manifest.signature,
        artifact.inputs,
        artifact.outputs,
        golden=bundle.golden,
        tolerance=artifact.verdict.tolerance,
    )


def target_of(path: Path) -> str | None:
    """The format of a model file by its suffix; ``None`` for anything else, such as a bundle."""
    return _SUFFIXES.get(path.suffix.lower())


def choose(bundle: Bundle, target: str | None, scheme: str | None, formats: Sequence[str] | None = None) -> Artifact:
    """The artifact that suits this machine, or a device that runs these formats, the preferred one first."""
    named = [
        artifact
        for artifact in bundle.artifacts
        if target in {None, artifact.target} and scheme in {None, artifact.scheme}
    ]
    listed = ", ".join(f"{artifact.target}/{artifact.scheme}" for artifact in bundle.artifacts)
    if not named:
        asked = "/".join(part for part in (target, scheme) if part)
        raise InputError(f"load {asked}", "the bundle has no such artifact", f"it has: {listed}")
    usable = [a for a in named if a.verdict.passed or (target is not None and a.verdict.passed is None)]
    if not usable:
        raise InputError(
            "load a verified artifact", f"nothing has executed {listed}", "name one to take it unverified: target=…"
        )
    if formats is not None:
        return _for_device(usable, formats)
    here = [artifact for artifact in usable if not _RUNTIMES[artifact.target].missing()]
    if not here:
        runtime = _RUNTIMES[usable[0].target]
        raise missing(f"run {usable[0].target}/{usable[0].scheme}", runtime.missing(), runtime.extra)
    # A float32 model is never passed over for a smaller one that nobody asked for.
    plain = [artifact for artifact in here if artifact.scheme == "float32"] or here
    return min(plain, key=lambda a: (_RUNTIMES[a.target].emulated, a.call_ms is None, a.call_ms or 0.0))


def _for_device(usable: Sequence[Artifact], formats: Sequence[str]) -> Artifact:
    there = [artifact for artifact in usable if artifact.target in formats]
    if not there:
        asked = f"run {usable[0].target}/{usable[0].scheme} on the device"
        raise ExecutionError(asked, f"it runs {', '.join(formats)}", "convert the model to one of these")
    plain = [artifact for artifact in there if artifact.scheme == "float32"] or there
    return min(plain, key=lambda a: (formats.index(a.target), a.call_ms is None, a.call_ms or 0.0))


def open_engine(
    target: str,
    model: Path | bytes,
    *,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    profile: Path | None = None,
) -> Engine:
    """The runtime of a target, with a model file opened.

    Args:
        target: ``onnx``, ``tflite`` or ``coreml``.
        model: the file, or its bytes.
        threads: threads of the runtime; ``None`` leaves the choice to it.
        providers: execution providers or delegates, the preferred one first; ``None`` for the runtime's own.
        profile: a folder for what the engine's ``placement`` needs, which slows calls; ``None`` to do without.

    Raises:
        InputError: no such provider here.
        MissingDependencyError: the runtime is not installed.
        ExecutionError: it cannot load the model, or does not exist on this system.
    """
    engine: Any
    if target == "onnx":
        from edgekit.runtime.onnx import OnnxEngine

        return OnnxEngine(model, threads=threads, providers=providers, profile=profile)
    if target == "tflite":
        from edgekit.runtime.tflite import TfliteEngine

        return TfliteEngine(model, threads=threads, providers=providers)
    if providers:
        why = "which unit computes is Core ML's own choice"
        raise InputError(f"run a Core ML model on {', '.join(providers)}", why, "leave it off")
    if not isinstance(model, Path):
        raise ExecutionError("load a Core ML model", "it is read from disk", "extract it first")
    if not _RUNTIMES["coreml"].emulated:
        from edgekit.runtime.coreml import CoremlEngine

        engine = CoremlEngine(model)
    else:
        from edgekit.runtime.coreml_reference import CoremlReferenceEngine

        engine = CoremlReferenceEngine(model, threads=threads)
    return engine  # type: ignore[no-any-return]


def executable(target: str) -> str:
    """Why a target cannot be executed here; empty where it can."""
    runtime = _RUNTIMES[target]
    absent = runtime.missing()
    return absent and f"{absent} is not installed: pip install 'edgekit[{runtime.extra}]'"


def emulated(target: str) -> bool:
    """Whether what runs a target here tells only what the model means, and not how a device runs it."""
    return _RUNTIMES[target].emulated


def available_providers(target: str) -> tuple[str, ...]:
    """The execution providers or delegates that a target's runtime can be asked for here by name.

    Raises:
        MissingDependencyError: it is not installed.
    """
    import_runtime(target)
    if target == "onnx":
        import onnxruntime

        return tuple(onnxruntime.get_available_providers())
    return ("XNNPACK", "CPU") if target == "tflite" else ()


def import_runtime(target: str) -> None:
    """Import what runs a target here, so that loading a model afterwards is that alone.

    Raises:
        MissingDependencyError: it is not installed.
    """
    runtime = _RUNTIMES[target]
    if absent := runtime.missing():
        raise missing(f"run {target}", absent, runtime.extra)
    for group in runtime.modules:
        module = next(module for module in group if _found(module))
        # Importing the package of LiteRT alone loads nothing yet.
        importlib.import_module(f"{module}.interpreter" if target == "tflite" else module)


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that would hold it
        return False


def _open_artifact(bundle: Bundle, artifact: Artifact, **options: Any) -> Engine:
    """Open from memory where the model is one file, from a temporary folder where it is several."""
    if artifact.target != "coreml" and len(artifact.files) <= 1:
        return open_engine(artifact.target, bytes(bundle.model_bytes(artifact)), **options)
    folder = tempfile.TemporaryDirectory(prefix="edgekit-")
    try:
        engine = open_engine(artifact.target, bundle.extract(artifact, Path(folder.name)), **options)
    except EdgekitError:
        folder.cleanup()
        raise
    # The runtime may map the files for as long as it lives.
    cleanup: Callable[[], None] = folder.cleanup
    weakref.finalize(engine, cleanup)
    return engine
