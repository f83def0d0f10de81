"""Finding the weights in what training scripts save: under keys, behind prefixes, and averaged.

Sources: timm 1.0.20, utils/checkpoint_saver.py (``state_dict``, ``state_dict_ema``); torchvision
0.28, references/classification/train.py (``model``, ``model_ema``); mmengine at 02f1880,
hooks/ema_hook.py (``ema_state_dict``); torch 2.13, optim/swa_utils.py (``n_averaged``, ``module.``)
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shufflenet.convert._layouts import LAYOUTS
from shufflenet.convert._pickled_values import Inert, Stored

__all__ = ["WeightSet", "find_sets", "is_averaged", "whole_network"]

_MAX_SETS = 16  # in one dictionary
_MAX_DEPTH = 8  # of dictionaries in dictionaries: Lightning's callbacks have 3
# What torch.compile, FSDP and activation checkpointing put between the parts of a name.
_WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
_NETWORK_KEYS = ("model", "net", "network", "module", "ema", "state_dict")  # of whole objects
_SIGNATURES = tuple(
    re.compile(rf"(?P<prefix>(?:[^.]+\.)*?){signature}")
    for signature in dict.fromkeys(layout.signature for layout in LAYOUTS)
)
_AVERAGED = re.compile(r"(?:^|[^a-z])(?:ema|swa|avg|averaged?)(?:[^a-z]|$)")


@dataclass(frozen=True, eq=False, slots=True)
class WeightSet:
    """One set of weights in a file.

    Attributes:
        name: How a user names it: the keys that lead to it, with full stops between them, and its
            prefix where a dictionary holds several sets; empty for the only one.
        prefix: What was taken away from the names of its arrays.
        arrays: The arrays by name, without the prefix.
        others: The names of the arrays beside it in its dictionary.
    """

    name: str
    prefix: str
    arrays: Mapping[str, Stored]
    others: tuple[str, ...] = ()


def find_sets(saved: object) -> list[WeightSet]:
    """Find every set of weights of a known project, each dictionary looked into once.

    Returns:
        Those sets; if there is none, the largest dictionary of arrays, if there is one.

    Raises:
        ValueError: there are more than any training saves, or two arrays of one have one name.
    """
    sets: list[WeightSet] = []
    largest = WeightSet("", "", {})
    for path, names in _dictionaries(saved):
        arrays = {
            name: array
            for name, value in names.items()
            if isinstance(array := _unpaired(value), Stored)
        }
        prefixes = _prefixes(arrays)
        if len(prefixes) > _MAX_SETS:
            raise ValueError("it has more sets of weights than any training saves")
        sets.extend(_set(path, arrays, prefix, several=len(prefixes) > 1) for prefix in prefixes)
        if len(arrays) > len(largest.arrays):
            largest = WeightSet("", "", arrays)
    return _distinct(sets) or ([largest] if largest.arrays else [])


def _dictionaries(saved: object) -> Iterator[tuple[tuple[str, ...], dict[str, object]]]:
    """Yield every dictionary with the keys that lead to it, the nearest first, each once."""
    seen: set[int] = set()
    waiting: deque[tuple[tuple[str, ...], object]] = deque([((), saved)])
    while waiting:
        path, value = waiting.popleft()
        if not isinstance(value, dict) or id(value) in seen:
            continue
        seen.add(id(value))
        yield path, value
        if len(path) < _MAX_DEPTH:
            waiting.extend(((*path, key), each) for key, each in value.items())


def _unpaired(value: object) -> object:
    """Return the array of a pair of name and array, which ``paddle.save`` makes of a tensor."""
    pair = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)
    return value[1] if pair else value  # type: ignore[index]  # it is a tuple


def _prefixes(arrays: Mapping[str, Stored]) -> list[str]:
    """List what stands before names that tell of a project."""
    found: dict[str, None] = {}
    for name in arrays:
        for signature in _SIGNATURES:
            if match := signature.fullmatch(_unwrapped(name)):
                found[match["prefix"]] = None
    return list(found)


def _unwrapped(name: str) -> str:
    """Take away what wrappers put into a name.

    >>> _unwrapped("module._orig_mod.stage2._orig_mod.0.branch2.0.weight")
    'module.stage2.0.branch2.0.weight'
    """
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _set(
    path: tuple[str, ...], arrays: Mapping[str, Stored], prefix: str, *, several: bool
) -> WeightSet:
    """Return the arrays whose names begin with a prefix.

    Raises:
        ValueError: two of them have the same name without what wrappers put into it.
    """
    inside = [name for name in arrays if _unwrapped(name).startswith(prefix)]
    named = {_unwrapped(name).removeprefix(prefix): arrays[name] for name in inside}
    if len(named) < len(inside):
        raise ValueError("two of its arrays have one name")
    others = arrays.keys() - set(inside) - {"n_averaged"}  # which counts what averages are of
    parts = [*path, prefix.rstrip(".")] if several else path
    removed = inside[0].removesuffix(_unwrapped(inside[0]).removeprefix(prefix))
    return WeightSet(
        ".".join(filter(None, parts)),
        removed if removed != inside[0] else prefix,
        named,
        tuple(name for name in arrays if name in others),
    )


def _distinct(sets: list[WeightSet]) -> list[WeightSet]:
    """Leave out sets of the very arrays of another: one network saved under two names."""
    seen: dict[frozenset[object], WeightSet] = {}
    for each in sets:
        key = frozenset((name, array.place or id(array)) for name, array in each.arrays.items())
        seen.setdefault(key, each)
    return list(seen.values())


def is_averaged(one: WeightSet, names: set[str]) -> bool:
    """Whether a set holds averages of weights over the steps of a training.

    Args:
        one: The set.
        names: Those of all sets in its file.
    """
    if names == {"state_dict", "ema_state_dict"} and any("backbone." in n for n in one.arrays):
        return one.name == "state_dict"  # mmengine exchanges the two when it saves
    if names == {"state_dict", "current_model_state"}:  # Lightning's WeightAveraging
        return one.name == "state_dict"
    return bool(_AVERAGED.search(one.name.lower()))


def whole_network(saved: object) -> str:
    """Return the class of an object that is saved where weights are looked for; or nothing."""
    inside = [saved.get(key) for key in _NETWORK_KEYS] if isinstance(saved, dict) else []
    for value in (saved, *inside):
        if isinstance(value, Inert) and value.kind.rpartition(".")[2][:1].isupper():
            return value.kind
    return ""
