"""Model files that exist already (.onnx, .tflite, .mlpackage), taken as they are: their runtime is their reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import ExecutionError, InputError
from edgekit.runtime.engine import Engine
from edgekit.runtime.loading import open_engine
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.sources.base import LoadRequest, Source
from edgekit.sources.inputs import InputFacts, resolve_inputs
from edgekit.sources.provenance import file_provenance


class ModelFileSource(Source):
    """A model file; ``native`` is its path."""

    def __init__(
        self, framework: str, request: LoadRequest, own: Signature, engine: Engine | None, package: str
    ) -> None:
        """Describe a file by its own signature.

        Args:
            framework: the file's format.
            request: what the user asked; names are the file's own.
            own: the file's inputs and outputs.
            engine: what runs it; ``None`` where nothing here does.
            package: the runtime's package, for the provenance.

        Raises:
            InputError: names of the user's, or an open dimension that nothing fixes.
        """
        if request.input_names or request.output_names:
            raise InputError(
                f"rename what {request.model} takes or gives",
                "a model file is taken as it is",
                "leave --input-name off",
            )
        self.framework = framework  # type: ignore[misc]
        self.native = Path(request.model)
        self.provenance = file_provenance(self.native, package)
        self._engine = engine
        facts = InputFacts(
            own.input_names,
            frozenset(own.input_names),
            {spec.name: spec.shape for spec in own.inputs},
            {spec.name: spec.dtype for spec in own.inputs},
        )
        inputs = resolve_inputs(facts, request)
        fixed = not request.dynamic
        outputs = tuple(
            TensorSpec(
                spec.name, spec.dtype, (1, *spec.shape[1:]) if fixed and spec.shape[:1] == (None,) else spec.shape
            )
            for spec in own.outputs
        )
        self.signature = Signature(inputs, outputs)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The file's own answer, by its own runtime."""
        if self._engine is None:
            raise ExecutionError(f"run {self.native.name}", "nothing here executes this format", "")
        return self._engine.run(inputs)


def runnable(framework: str, request: LoadRequest, package: str) -> ModelFileSource:
    """A model file opened in the runtime of its format.

    Raises:
        InputError: the runtime cannot load it.
    """
    try:
        engine = open_engine(framework, Path(request.model))
    except ExecutionError as error:
        raise InputError(f"load {request.model}", error.why, f"give a file that {package} loads") from error
    return ModelFileSource(framework, request, engine.signature, engine, package)
