"""Whether the parameters of a plugin's hooks have the types of the specifications.

A type checker tells that of plugins that derive from `anybatch.system`; this is for the others.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from anybatch import hookspecs

if TYPE_CHECKING:
    from anybatch.plugins.registry import Plugins

#: What else may be said for a type: what is wider, and what is given in fact.
_ALSO = {
    "Mapping": {"dict", "MutableMapping"},
    "Sequence": {"list", "tuple", "Iterable", "Collection"},
    "Host": {"LocalHost"},
}
_ANYTHING = {"Any", "object"}


def faults_of(plugins: Plugins, name: str) -> list[str]:
    """What is wrong with the parameters of a plugin's hooks, a sentence for each."""
    found = []
    for hook in plugins.get(name).hooks:
        implementation = plugins.implementation(name, hook)
        wanted = inspect.signature(getattr(hookspecs, hook)).parameters
        if implementation is None:
            continue
        for parameter in inspect.signature(implementation.function).parameters.values():
            if parameter.annotation is inspect.Parameter.empty or parameter.name not in wanted:
                continue
            told, right = _head(parameter.annotation), _head(wanted[parameter.name].annotation)
            if told not in {right, *_ALSO.get(right, set()), *_ANYTHING}:
                found.append(f"{hook}: {parameter.name} is a {right}, not a {told}")
    return found


def _head(annotation: object) -> str:
    """The name of a type without its arguments and its module: `Mapping` of `Mapping[str, Any]`."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    first = re.split(r"[\[|]", text or str(annotation), maxsplit=1)[0]
    return first.strip().rpartition(".")[2]
