"""Which configuration keys a piece of code reads, found in its text."""

import ast
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

ANY = "*"
"""A key that only a run of the code tells: ``node[name]``, ``for name, node in cfg.X.items()``."""


def keys_read(code: str) -> set[str]:
    """Full paths of the keys that the functions of a module read from their ``cfg``.

    A parameter of type ``CfgNode`` with another name is taken for a part at the top, such as ``cfg.TWO_STEP``.

    Args:
        code: text of the module.

    Returns:
        Dotted paths; ``ANY`` stands for one part that the text does not tell.
    """
    found: set[str] = set()
    for function in ast.walk(ast.parse(code)):
        if isinstance(function, ast.FunctionDef):
            found |= _Reads(function).found
    return found


def unread(keys: Iterable[str], reads: Iterable[str]) -> list[str]:
    """Those of some dotted keys that no path in ``reads`` names, sorted."""
    patterns = [path.split(".") for path in reads]
    return sorted(key for key in keys if not any(_names(pattern, key.split(".")) for pattern in patterns))


def _names(pattern: list[str], key: list[str]) -> bool:
    return len(pattern) == len(key) and all(map(fnmatchcase, key, pattern))


class _Reads(ast.NodeVisitor):
    """Walks one function; ``_aliases`` are the local names for the configuration and for parts of it."""

    def __init__(self, function: ast.FunctionDef) -> None:
        self.found: set[str] = set()
        self._aliases: dict[str, tuple[str, ...]] = {}
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        for argument in arguments:
            if argument.arg == "cfg":
                self._aliases["cfg"] = ()
            elif isinstance(argument.annotation, ast.Name) and argument.annotation.id == "CfgNode":
                self._aliases[argument.arg] = (ANY,)
        for target, value in _bindings(function):
            path = self._path(value)
            if path is not None:
                self._aliases[target] = path
        self.visit(function)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path and isinstance(node.ctx, ast.Load):
            self.found.add(".".join(path))
        self.generic_visit(node)

    def _path(self, node: ast.expr) -> tuple[str, ...] | None:
        if isinstance(node, ast.Name):
            return self._aliases.get(node.id)
        if isinstance(node, ast.Attribute):
            if node.attr == "cfg":  # self.cfg
                return ()
            path, part = self._path(node.value), node.attr
        elif isinstance(node, ast.Subscript):
            path, part = self._path(node.value), _constant(node.slice)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
            path, part = self._path(node.func.value), ANY
        else:
            return None
        return None if path is None else (*path, part)


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ANY


def _bindings(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Local names and what they are bound to; the value of ``for key, value in x.items()`` is bound to the call."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Tuple):
            yield from _pairs(node.target.elts[-1], node.iter)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, other in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, other)
