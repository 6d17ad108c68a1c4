"""SavedModel folders, those of TensorFlow 1 and those that ``tf.saved_model.load`` refuses included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.sources.tensorflow_functions import facts_of, function_interface, pick
from edgekit.sources.tensorflow_interface import Interface

_DAMAGED = "copy the folder again, or save it again"


def read_savedmodel(path: Path, asked: str) -> tuple[Any, Interface]:
    """The loaded object, which keeps the variables alive, and how it is called.

    Raises:
        InputError: damaged, or without a signature that could be called.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other loader may do; if not, it is reported
        # The object graph of a model saved with an old optimizer cannot be restored; its inference graph can.
        try:
            return _read_graph(path, asked)
        except InputError:
            raise
        except Exception as second:
            why = f"not a readable SavedModel ({line(error)})"
            raise InputError(asked, why, _DAMAGED) from second
    return loaded, function_interface(loaded, asked)


def _read_graph(path: Path, asked: str) -> tuple[Any, Interface]:
    """Restore in a session, as TensorFlow 1 did, and keep the frozen part between the signature's ends."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        meta = v1.saved_model.load(session, [v1.saved_model.tag_constants.SERVING], str(path))
        signature = pick(dict(meta.signature_def), asked)
        feeds = {key: info.name for key, info in signature.inputs.items()}
        fetches = {key: info.name for key, info in signature.outputs.items()}
        specs = {key: graph.get_tensor_by_name(name) for key, name in feeds.items()}
        facts = facts_of(specs)
        nodes = sorted({name.partition(":")[0] for name in fetches.values()})
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), nodes)
    wrapped = v1.wrap_function(lambda: tf.import_graph_def(frozen, name=""), [])
    pruned = wrapped.prune(list(feeds.values()), fetches)
    keys = list(feeds)
    return pruned, Interface(facts, lambda given: pruned(*(given[key] for key in keys)))


def line(error: BaseException) -> str:
    """The first line of an error that says something, shortened."""
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return lines[0][:200] if lines else type(error).__name__
