"""Data sets of one's own in Detectron2's catalogs, in one line of Python or of yaml, each with a search protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Final

from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets.made_protocol import ProtocolRule, make_protocol
from inet_d2.data.datasets.mot import MotRule, load_mot
from inet_d2.data.datasets.person_json import load_person_json
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.datasets.protocol_file import read_protocol_file

_Loader = Callable[..., list[dict[str, Any]]]

_RULES: Final[Mapping[str, str]] = {field.name.upper(): field.name for field in fields(ProtocolRule)}
_MOT_RULES: Final[Mapping[str, str]] = {field.name.upper(): field.name for field in fields(MotRule)}


def register_person_json(
    name: str,
    json_file: str | Path,
    image_root: str | Path,
    *,
    protocol_file: str | Path | None = None,
    **rule: int | bool | None,
) -> None:
    """Register frames and people of a JSON file; nothing is read before the data is asked for.

    Args:
        name: in ``DatasetCatalog``, for ``DATASETS.TRAIN`` or ``DATASETS.TEST``.
        json_file: see :func:`load_person_json`.
        image_root: the folder that its ``file_name`` starts from.
        protocol_file: queries and galleries, written by ``tools/make_protocol.py``; None draws them.
        rule: fields of :class:`ProtocolRule`, if they are drawn.

    Raises:
        ValueError: the name is taken by another data set, or a field of the rule does not fit.
    """
    loader = partial(load_person_json, str(json_file), str(image_root))
    _register(name, loader, protocol_file, _rule(name, ProtocolRule, rule))


def register_mot(
    name: str,
    sequences: Sequence[str | Path],
    *,
    protocol_file: str | Path | None = None,
    every: int = 1,
    min_visibility: float = 0.3,
    shared_ids: bool = False,
    **rule: int | bool | None,
) -> None:
    """Register sequences of MOTChallenge's layout; nothing is read before the data is asked for.

    Args:
        name: in ``DatasetCatalog``, for ``DATASETS.TRAIN`` or ``DATASETS.TEST``.
        sequences: folders, see :func:`load_mot`.
        protocol_file: queries and galleries, written by ``tools/make_protocol.py``; None draws them.
        every: see :class:`MotRule`, as for the next two.
        min_visibility: the same.
        shared_ids: the same.
        rule: fields of :class:`ProtocolRule`, if queries and galleries are drawn.

    Raises:
        ValueError: the name is taken by another data set, or an argument does not fit.
    """
    taken = {"every": every, "min_visibility": min_visibility, "shared_ids": shared_ids}
    loader = partial(load_mot, tuple(map(str, sequences)), _rule(name, MotRule, taken))
    _register(name, loader, protocol_file, _rule(name, ProtocolRule, rule))


def register_own_datasets(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Register what ``DATASETS.OWN`` lists.

    Args:
        entries: by name, keys and values of each data set: JSON and IMAGES, or MOT (folders), EVERY, MIN_VISIBILITY and
            SHARED_IDS; with either, PROTOCOL (a file) or SEED, QUERIES_PER_PERSON, TIME_GAP and CROSS_CAMERA.

    Raises:
        ValueError: a key is unknown, missing or of another type, or the name is taken.
    """
    for name, entry in entries.items():
        where = f"DATASETS.OWN: {name}"
        if not isinstance(entry, Mapping) or ("JSON" in entry) == ("MOT" in entry):
            raise ValueError(f"{where}: expected JSON and IMAGES, or MOT, found {_keys(entry)}; see docs/own_data.md")
        is_json = "JSON" in entry
        known = {"JSON", "IMAGES"} if is_json else {"MOT", *_MOT_RULES}
        unknown = sorted(set(entry) - known - {"PROTOCOL", *_RULES})
        if unknown or (is_json and "IMAGES" not in entry):
            raise ValueError(
                f"{where}: expected {'JSON, IMAGES' if is_json else ', '.join(['MOT', *_MOT_RULES])}, and PROTOCOL or "
                f"{', '.join(_RULES)}, found {_keys(entry)}; see docs/own_data.md"
            )
        texts = [entry[key] for key in ("JSON", "IMAGES", "PROTOCOL") if key in entry]
        folders = entry.get("MOT", [])
        if not isinstance(folders, Sequence) or isinstance(folders, str):
            raise ValueError(f"{where}: MOT: expected a list of folders, found {folders!r}")
        if not all(isinstance(text, str) and text for text in (*texts, *folders)):
            raise ValueError(f"{where}: expected paths, found {[*texts, *folders]}")
        options = {_RULES.get(key) or _MOT_RULES[key]: entry[key] for key in entry if key in {*_RULES, *_MOT_RULES}}
        options["protocol_file"] = entry.get("PROTOCOL")
        if is_json:
            register_person_json(name, entry["JSON"], entry["IMAGES"], **options)
        else:
            register_mot(name, folders, **options)


def _rule(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    try:
        return kind(**values)
    except TypeError as error:
        known = ", ".join(field.name for field in fields(kind))
        raise ValueError(f"{name}: expected {known}, found {', '.join(values)}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _keys(entry: Any) -> str:
    return (", ".join(map(str, entry)) if isinstance(entry, Mapping) else repr(entry)) or "nothing"


def _register(name: str, loader: partial, protocol_file: str | Path | None, rule: ProtocolRule) -> None:
    settings = (loader.func.__name__, loader.args, protocol_file and str(protocol_file), rule)
    if name in DatasetCatalog.list():
        if MetadataCatalog.get(name).get("own_settings", None) == settings:
            return
        raise ValueError(
            f"{name}: expected a name that no other data set has, found it registered; choose another, or take that "
            "one out of DatasetCatalog and MetadataCatalog first"
        )
    annotations = partial(loader, image_sizes=False)
    DatasetCatalog.register(name, loader)
    MetadataCatalog.get(name).set(
        thing_classes=["person"],
        annotation_loader=annotations,
        protocol_loader=partial(_load_protocol, name, annotations, protocol_file, rule),
        protocol_rule=rule,
        own_settings=settings,
    )


def _load_protocol(
    name: str, annotations: _Loader, protocol_file: str | Path | None, rule: ProtocolRule, gallery_size: int
) -> SearchProtocol:
    if protocol_file is not None:
        return read_protocol_file(protocol_file, gallery_size)
    return make_protocol(name, annotations(), gallery_size, rule)
