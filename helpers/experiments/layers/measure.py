"""Reads what each layer of an image did to the files: added, changed, removed, and what it hides.

The engine's `docker save` stream is read once, layer by layer, and nothing of it is stored.
Sources: the OCI image specification (layer.md: whiteouts, opaque directories), and the layout of
`docker save` before and since Engine 25.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any

import docker
from docker.errors import APIError

from helpers.engine.find import connect
from helpers.errors import CourseError
from helpers.experiments.layers.result import (
    ADDED,
    CHANGED,
    REMOVED,
    FileChange,
    ImageLayers,
    Layer,
)

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

Changes = dict[str, tuple[str, int]]  # path -> kind, size in bytes
SAVE_SECONDS = 600  # the engine sends nothing until it has collected all layers


def inspect_layers(image: str, engine: Engine | None = None) -> ImageLayers:
    """Return the layers of an image on the engine, with the files of each, sizes in bytes.

    Raises CourseError if there is no such image.

    Example:
        inspect_layers("my-flask-app").layers[-1].files
    """
    if not isinstance(image, str) or not image.strip():
        raise CourseError(
            f"{image!r} is not the name of an image.",
            'Give a name as text, such as inspect_layers("my-flask-app").',
        )
    engine = engine or connect()
    try:
        image_id = str(engine.client.images.get(image).id)
    except APIError as error:
        if error.status_code not in (400, 404):  # 400: no image can have this name
            raise
        raise CourseError(
            f"There is no image {image!r} on this engine.",
            f"Build it: docker build -t {image} .   (docker images lists what is there)",
        ) from None
    return replace(_read_saved(engine.host, image_id), image=image)


@lru_cache(maxsize=8)
def _read_saved(host: str, image_id: str) -> ImageLayers:
    """Return the layers of the image with this id; an id never means another image."""
    client = docker.DockerClient(base_url=host, timeout=SAVE_SECONDS)
    with contextlib.closing(client):
        return read_image(client.api.get_image(image_id), image_id, image_id)


def read_image(stream: Iterable[bytes], image: str, image_id: str = "") -> ImageLayers:
    """Return the layers of the first image in a `docker save` stream, read once.

    Raises CourseError if the stream is cut short or is not such an archive.
    """
    documents: dict[str, Any] = {}
    contents: dict[str, _Content] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=io.BufferedReader(_Pipe(stream)), mode="r|") as archive:
            for member in _members(archive):
                name = normpath(member.name)
                if member.issym() or member.islnk():
                    folder = dirname(name) if member.issym() else ""
                    links[name] = normpath(join(folder, member.linkname))
                elif member.isfile() and (body := archive.extractfile(member)):
                    _read_blob(name, body, documents, contents)
        manifest = documents["manifest.json"][0]
        config = documents[normpath(manifest["Config"])]
        names = [normpath(name) for name in manifest["Layers"]]
        in_order = [contents[links.get(name, name)] for name in names]
    except (tarfile.TarError, EOFError, zlib.error, KeyError, IndexError, TypeError) as error:
        raise CourseError(
            f"The layers of the image could not be read ({error}).",
            "Run the cell again. If the error remains, build the image again.",
        ) from None
    entries = _entries(config.get("history") or [], _compare(in_order))
    return ImageLayers(image, image_id, entries)


def clean_instruction(created_by: str, comment: str = "") -> str:
    """Return an instruction as the Dockerfile had it, from a line of the image's history.

    Engines write lists in Go's notation: `EXPOSE [5000/tcp]` (before Engine 28
    `EXPOSE map[5000/tcp:{}]`), `SHELL [/bin/bash -c]` and `CMD ["flask" "run"]`.
    """
    text = created_by.strip().removesuffix("# buildkit").rstrip()
    if not text:
        return f"({comment.strip()})" if comment.strip() else "(no instruction recorded)"
    if nop := re.match(r"/bin/sh -c #\(nop\)\s*(.*)", text, re.DOTALL):
        text = nop[1]
    else:
        shell = re.compile(r"^(?:RUN )?(?:\|\d+ .*?)?/bin/(?:ba)?sh -c ", re.DOTALL)
        text = shell.sub("RUN ", text, count=1)
    keyword, _, rest = text.partition(" ")
    listed = re.fullmatch(r"(?:map)?\[(.*)\]", rest)
    if not listed or keyword not in ("EXPOSE", "VOLUME", "SHELL", "CMD", "ENTRYPOINT"):
        return text
    words = re.findall(r'"(?:[^"\\]|\\.)*"', listed[1])
    if not words:
        items = listed[1].replace(":{}", "").replace("/tcp", "")
        return f"{keyword} {json.dumps(items.split()) if keyword == 'SHELL' else items}"
    if len(words) == 3 and words[0] in ('"/bin/sh"', '"/bin/bash"') and words[1] == '"-c"':
        return f"{keyword} {json.loads(words[2], strict=False)}"
    return f"{keyword} [{', '.join(words)}]"


@dataclass
class _Content:
    """What one layer's archive holds, by path from the root, without a leading slash."""

    files: dict[str, int] = field(default_factory=dict)  # size in bytes
    links: dict[str, str] = field(default_factory=dict)  # a hard link's other name
    folders: list[str] = field(default_factory=list)
    whiteouts: list[str] = field(default_factory=list)  # paths that the layer removes
    opaque: list[str] = field(default_factory=list)  # folders that hide what is below them


class _Pipe(io.RawIOBase):
    """A file made of chunks of bytes, to be read once from front to back."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._left = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._chunks, b"")
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive; tarfile itself would keep all of them in memory."""
    while (member := archive.next()) is not None:
        yield member
        archive.members = []  # type: ignore[attr-defined]


def _read_blob(
    name: str, body: Any, documents: dict[str, Any], contents: dict[str, _Content]
) -> None:
    """Store a file of the archive by what its first bytes show: a layer, or JSON."""
    head = body.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        raise tarfile.ReadError("a layer is compressed with zstd, which is not supported")
    gzipped = head.startswith(b"\x1f\x8b")
    if gzipped or head[257:262] == b"ustar" or head.count(0) == tarfile.BLOCKSIZE:
        with tarfile.open(fileobj=body, mode="r|gz" if gzipped else "r|") as layer:
            contents[name] = _read_layer(_members(layer))
    elif head[:1] in (b"{", b"["):
        with contextlib.suppress(ValueError):
            documents[name] = json.loads(body.read())


def _read_layer(members: Iterable[tarfile.TarInfo]) -> _Content:
    """Return what a layer's archive holds."""
    content = _Content()
    for member in members:
        path = member.name.removeprefix("./").strip("/")
        if not path.isascii():
            path = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if path in ("", "."):
            continue
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            content.opaque.append(folder)
        elif name.startswith(".wh."):
            content.whiteouts.append(f"{folder}/{name[4:]}".lstrip("/"))
        elif member.isdir():
            content.folders.append(path)
        elif member.islnk():
            content.files[path] = 0
            content.links[path] = normpath(member.linkname.lstrip("/"))
        else:
            content.files[path] = member.size if member.isreg() else 0
            content.links.pop(path, None)
    return content


@dataclass(slots=True)
class _Inode:
    """The bytes of a file in layer number `layer`, under one name or, with hard links, several."""

    layer: int
    size: int
    names: int = 0


def _compare(contents: Iterable[_Content]) -> list[Layer]:
    """Return the layers from the base upwards, each compared with those below it.

    Layer 1 holds a (10 bytes), b (20 bytes); layer 2 holds a (7 bytes) and .wh.b, a whiteout:
        layer 1: a added, 10 bytes, hidden by 2;  b added, 20 bytes, hidden by 2;  30 bytes wasted
        layer 2: a changed, 7 bytes;              b removed, 20 bytes (those it hides)
    A file under two names (hard links) is wasted only when both are hidden.
    """
    visible: dict[str, _Inode] = {}  # what a container would see after the layers so far
    folders: set[str] = set()
    changes: list[Changes] = []
    hidden_by: defaultdict[int, dict[str, int]] = defaultdict(dict)
    wasted_bytes: Counter[int] = Counter()
    for number, content in enumerate(contents, 1):
        removed: dict[str, int] = {}
        for path in _hidden_paths(content, visible):
            inode = visible.pop(path)
            inode.names -= 1
            hidden_by[inode.layer][path] = number
            wasted_bytes[inode.layer] += 0 if inode.names else inode.size
            removed[path] = inode.size
        listed = {*removed, *content.folders, *(p for path in removed for p in _parents(path))}
        empty = folders.intersection(content.whiteouts) - listed
        folders.update(content.folders)
        inodes: dict[str, _Inode] = {}
        added: Changes = {}
        for path, size in content.files.items():
            inode = inodes.get(content.links.get(path, "")) or _Inode(number, size)
            inode.names += 1
            inodes[path] = visible[path] = inode
            added[path] = (ADDED if removed.pop(path, None) is None else CHANGED, size)
        removed |= {f"{path}/": 0 for path in empty}
        changes.append(added | {path: (REMOVED, size) for path, size in removed.items()})
    return [_layer(n, wasted_bytes[n], each, hidden_by[n]) for n, each in enumerate(changes, 1)]


def _hidden_paths(content: _Content, visible: Iterable[str]) -> list[str]:
    """Return the visible files that a layer removes or replaces, themselves or with a folder."""
    replaced = {*content.whiteouts, *content.files, *content.folders}
    emptied = {*content.whiteouts, *content.files, *content.opaque}
    return [p for p in visible if p in replaced or not emptied.isdisjoint(_parents(p))]


def _parents(path: str) -> Iterator[str]:
    """Yield the folders above a path, up to "" for the root."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _layer(number: int, wasted_bytes: int, changes: Changes, hidden_by: dict[str, int]) -> Layer:
    """Return a layer without its instruction, its largest files first."""
    files = [
        FileChange(f"/{path}", kind, size, hidden_by.get(path, 0))
        for path, (kind, size) in changes.items()
    ]
    files.sort(key=lambda change: (-change.size_bytes, change.path))
    size = sum(change.size_bytes for change in files if change.kind != REMOVED)
    return Layer(number, "", size, wasted_bytes, tuple(files))


def _entries(history: list[dict[str, Any]], layers: list[Layer]) -> tuple[Layer, ...]:
    """Return the lines of the history, each with its layer; layers without a line come first."""
    with_layer = sum(not line.get("empty_layer") for line in history)
    extra = max(0, len(layers) - with_layer)
    entries = [replace(layer, instruction=clean_instruction("")) for layer in layers[:extra]]
    rest = iter(layers[extra:])
    for line in history:
        text = clean_instruction(line.get("created_by", ""), line.get("comment", ""))
        layer = None if line.get("empty_layer") else next(rest, None)
        entries.append(replace(layer, instruction=text) if layer else Layer(0, text))
    return tuple(entries)
