"""Reading PyTorch's files: .pt2, TorchScript, pickles and weights, each told apart before anything is run."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, missing


def read_module(path: Path, *, trust: bool) -> Any:
    """The ``ExportedProgram``, ``ScriptModule`` or (trusted only) module that a file holds.

    Raises:
        InputError: truncated, a state dict without its network, or a pickle without trust.
    """
    asked = f"load {path}"
    if path.suffix.lower() == ".pt2":
        return _read_program(path, asked)
    members = _members(path)
    # A TorchScript archive holds the model's code; a pickled module or a state dict has only data.pkl.
    if any("/code/" in name for name in members):
        return _read_script(path, asked)
    if any(name.endswith("models/model.json") for name in members):
        return _read_program(path, asked)
    return _read_pickle(path, asked, trust=trust)


def load_weights(module: Any, path: Path, *, trust: bool) -> None:
    """Load a .safetensors file or a state dict (also one saved on CUDA) into a module.

    Raises:
        InputError: unreadable, or keys or shapes that are not the module's.
    """
    asked = f"--weights {path}"
    state = (
        _read_safetensors(path, asked) if path.suffix.lower() == ".safetensors" else _state(path, asked, trust=trust)
    )
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        own = module.state_dict()
        absent, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
        wrong = [
            f"{k} is {list(state[k].shape)}, the network's {list(own[k].shape)}" for k in own if _differs(own, state, k)
        ]
        parts = [
            f"{len(absent)} missing ({', '.join(absent[:3])}{' …' if absent[3:] else ''})" if absent else "",
            f"{len(extra)} unknown ({', '.join(extra[:3])}{' …' if extra[3:] else ''})" if extra else "",
            f"{len(wrong)} of another shape ({wrong[0]})" if wrong else "",
        ]
        found = "; ".join(part for part in parts if part) or str(error).splitlines()[-1].strip()
        raise InputError(
            asked, f"the weights are not this network's: {found}", "give the weights of this factory"
        ) from error


def _differs(own: Mapping[str, Any], state: Mapping[str, Any], key: str) -> bool:
    return key in state and own[key].shape != state[key].shape


def _read_program(path: Path, asked: str) -> Any:
    import torch
    import torch.ao.quantization.fx._decomposed  # registers the operators that a quantized program calls

    try:
        return torch.export.load(path)
    except Exception as error:
        why = f"not a readable torch.export program ({_line(error)})"
        raise InputError(
            asked, why, "write it again: torch.export.save(torch.export.export(model, args), path)"
        ) from error


def _read_script(path: Path, asked: str) -> Any:
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated, which the owner of this file knows; it still loads.
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(path), map_location="cpu").eval()
    except Exception as error:
        raise InputError(
            asked, f"not a readable TorchScript file ({_line(error)})", "save it again, or copy it again"
        ) from error


def _read_pickle(path: Path, asked: str, *, trust: bool) -> Any:
    import pickle

    import torch

    if not zipfile.is_zipfile(path) and not _looks_pickled(path):
        raise InputError(asked, "truncated, or not a PyTorch file", "copy the file again, or save it again")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not trust:
            why = "the file holds pickled Python objects, and unpickling runs code"
            raise InputError(
                asked, why, "if you trust its origin, add --trust; safer: save it with torch.export"
            ) from error
        loaded = _unpickle(path, asked)
    except Exception as error:
        raise InputError(
            asked, f"truncated or damaged ({_line(error)})", "copy the file again, or save it again"
        ) from error
    if isinstance(loaded, torch.nn.Module):
        return loaded
    if isinstance(loaded, Mapping):
        hint = f"give the code too: edgekit convert package.module:factory --weights {path.name}"
        raise InputError(asked, "a state dict holds weights and no network", hint)
    raise InputError(asked, f"it holds a {type(loaded).__name__}, not a model", "give a module, a .pt2 or TorchScript")


def _unpickle(path: Path, asked: str) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        why = f"its class cannot be imported here ({_line(error)})"
        raise InputError(asked, why, "run where the model's code can be imported, or use a factory") from error
    except Exception as error:
        raise InputError(asked, f"cannot be unpickled ({_line(error)})", "save it with torch.export") from error


def _state(path: Path, asked: str, *, trust: bool) -> Mapping[str, Any]:
    import pickle

    import torch

    try:
        # A checkpoint saved on CUDA must not ask for CUDA here.
        state = torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        why = "the checkpoint holds more than tensors, and unpickling runs code"
        raise InputError(asked, why, "if you trust its origin, add --trust; safer: save model.state_dict()") from error
    except Exception as error:
        raise InputError(asked, f"truncated or not a state dict ({_line(error)})", "copy the file again") from error
    if isinstance(state, torch.nn.Module):
        state = state.state_dict()
    # Training frameworks nest the weights in a checkpoint; one such key is unambiguous, a guess among several is not.
    nested = [key for key in ("state_dict", "model_state_dict", "model") if isinstance(state, Mapping) and key in state]
    if len(nested) == 1 and isinstance(state[nested[0]], Mapping):
        state = state[nested[0]]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(asked, "not a state dict (names and tensors)", "save model.state_dict()")
    return state


def _read_safetensors(path: Path, asked: str) -> Mapping[str, Any]:
    if importlib.util.find_spec("safetensors") is None:
        raise missing(asked, "safetensors", "torch")
    from safetensors.torch import load_file

    try:
        state: Mapping[str, Any] = load_file(path, device="cpu")
    except Exception as error:
        raise InputError(
            asked, f"truncated or not a safetensors file ({_line(error)})", "copy the file again"
        ) from error
    return state


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return []


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
