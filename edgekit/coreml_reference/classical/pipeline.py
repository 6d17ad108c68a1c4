"""Pipelines: models one after the other, each taking what the ones before it gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.coreml_reference.classical.columns import Columns, gather, scatter
from edgekit.coreml_reference.classical.registry import Interface, Stage, kinds, read_interface
from edgekit.coreml_reference.messages import Message
from edgekit.coreml_reference.package import Package
from edgekit.coreml_reference.precision import Precision
from edgekit.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from edgekit.coreml_reference.model import ProgramModel

PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")


class Assembly:
    """The evaluation of a model and of all models inside it.

    Attributes:
        run: columns in, columns out.
        programs: the ML Programs inside.
    """

    def __init__(self, package: Package, precision: Precision, seed: int) -> None:
        self.programs: list[ProgramModel] = []
        self._package = package
        self._options = (precision, seed)
        self.run = self._build(package.model)

    def _build(self, model: Message) -> Stage:
        which = model.WhichOneof("Type")
        if which in PIPELINES:
            return self._chain(model)
        if which == "mlProgram":
            return self._program(model)
        if which not in kinds():
            raise uncovered(self._package, which)
        return kinds()[which](getattr(model, which), read_interface(model))

    def _chain(self, model: Message) -> Stage:
        which = model.WhichOneof("Type")
        pipeline = model.pipeline if which == "pipeline" else getattr(model, which).pipeline
        interface = read_interface(model)
        steps = [(read_interface(one), self._build(one)) for one in pipeline.models]
        known = {feature.name for feature in interface.inputs}
        for number, (inside, _) in enumerate(steps):
            self._check(known, (f.name for f in inside.inputs if not f.optional), f"its model {number}")
            known |= {feature.name for feature in inside.outputs}
        self._check(known, (feature.name for feature in interface.outputs), "its caller")

        def run(columns: Columns) -> Columns:
            values = dict(columns)
            for inside, stage in steps:
                values.update(stage(_taken(inside, values, columns)))
            return {feature.name: values[feature.name] for feature in interface.outputs}

        return run

    def _check(self, known: set[str], needed: Iterable[str], who: str) -> None:
        lost = [name for name in needed if name not in known]
        if lost:
            raise InputError(
                f"read the pipeline {self._package.path}", f"{who} needs {lost[0]!r}, which nothing gives", ""
            )

    def _program(self, model: Message) -> Stage:
        from edgekit.coreml_reference.model import ProgramModel

        program = ProgramModel(replace(self._package, model=model), None, *self._options)
        if program.states:
            raise UnsupportedError(
                f"execute {self._package.path}", "a pipeline with a model that keeps a state is not covered", ""
            )
        self.programs.append(program)

        def run(columns: Columns) -> Columns:
            given = {f.name: scatter(f, columns[f.name]) for f in program.inputs if f.name in columns}
            rows = len(next(iter(columns.values())))
            results = [
                program.predict({name: values[row] for name, values in given.items() if values[row] is not None})
                for row in range(rows)
            ]
            return {f.name: gather(f, [result[f.name] for result in results]) for f in program.outputs}

        return run


def _taken(interface: Interface, values: Columns, given: Columns) -> Columns:
    """What a model inside takes; inputs that nothing gives were left out."""
    rows = len(next(iter(given.values())))
    return {
        feature.name: values[feature.name] if feature.name in values else gather(feature, [None] * rows)
        for feature in interface.inputs
    }


def uncovered(package: Package, which: str) -> UnsupportedError:
    """That a model, or one inside it, is of a kind that is not evaluated here."""
    advice = "convert to an ML Program" if which.startswith("neuralNetwork") else "run it on a Mac or an iPhone"
    inside = package.model.WhichOneof("Type") != which
    return UnsupportedError(
        f"execute {package.path}",
        f"{'it holds a model' if inside else 'models'} of kind {which}, "
        "which edgekit's Core ML reference does not cover",
        advice,
    )
