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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from posixpath import dirname, join, normpath
from typing import IO, TYPE_CHECKING, Any

import docker
from docker.errors import APIError, ImageNotFound

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

SAVE_SECONDS = 600  # the engine sends nothing until it has collected all layers


def inspect_layers(image: str, engine: Engine | None = None) -> ImageLayers:
    """Return the layers of an image on the engine, with the files of each, sizes in bytes.

    Raises CourseError if there is no such image.
    """
    if not isinstance(image, str) or not image.strip():
        raise CourseError(
            f"{image!r} is not the name of an image.",
            'Give a name as text, such as inspect_layers("my-flask-app").',
        )
    engine = engine or connect()
    try:
        image_id = str(engine.client.images.get(image).id)
    except ImageNotFound:
        raise CourseError(
            f"There is no image {image!r} on this engine.",
            f"Build it: docker build -t {image} .   (docker images lists what is there)",
        ) from None
    except APIError as error:
        raise CourseError(
            f"Docker can't find the image {image!r}: {error.explanation}",
            "Check the name: `docker images` lists all of them.",
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
        with tarfile.open(fileobj=_Pipe(stream), mode="r|") as archive:
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
            "Try again. If that does not help, build the image again.",
        ) from None
    entries = _entries(config.get("history") or [], _compare(in_order))
    return ImageLayers(image, image_id, entries)


def clean_instruction(created_by: str, comment: str = "") -> str:
    """Return an instruction as the Dockerfile had it, from a line of the image's history.

    Engines write lists in Go's notation: `EXPOSE [5000/tcp]` (before Engine 28
    `map[5000/tcp:{}]`) and `CMD ["flask" "run"]`.
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
    if listed := re.fullmatch(r"(?:map)?\[(.*)\]", rest):
        return f"{keyword} {_clean_list(keyword, listed[1]) or rest}"
    return text


def _clean_list(keyword: str, items: str) -> str:
    """Return the items of a list in Go's notation as `keyword` takes them, "" if it has no list."""
    if keyword == "EXPOSE":
        ports = re.findall(r"[\d-]+/\w+", items)
        return " ".join(port.removesuffix("/tcp") for port in ports)
    if keyword == "VOLUME" and '"' not in items:
        return items
    if keyword == "SHELL" and '"' not in items:
        return json.dumps(items.split())
    if keyword in ("CMD", "ENTRYPOINT"):
        words = re.findall(r'"(?:[^"\\]|\\.)*"', items)
        if len(words) == 3 and re.fullmatch(r'"/bin/(ba)?sh" "-c"', " ".join(words[:2])):
            return str(json.loads(words[2], strict=False))
        return f"[{', '.join(words)}]"
    return ""


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

    def __init__(self, chunks: Iterable[bytes], head: bytes = b"") -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._left = memoryview(head)

    def read(self, size: int = -1) -> bytes:
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._left:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._left = memoryview(chunk)
            part = self._left if missing < 0 else self._left[:missing]
            self._left = self._left[len(part) :]
            parts.append(part)
            missing -= len(part) if missing > 0 else 0
        return b"".join(parts)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive; tarfile itself would keep all of them in memory."""
    while (member := archive.next()) is not None:
        yield member
        archive.members = []  # type: ignore[attr-defined]


def _read_blob(
    name: str, body: IO[bytes], documents: dict[str, Any], contents: dict[str, _Content]
) -> None:
    """Store a file of the archive by what its first bytes show: a layer, or JSON."""
    head = body.read(tarfile.BLOCKSIZE)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        raise tarfile.ReadError("a layer is compressed with zstd, which is not supported")
    packed = head.startswith(b"\x1f\x8b")
    if packed or head[257:262] == b"ustar" or head.count(0) == tarfile.BLOCKSIZE:
        rest = iter(lambda: body.read(1 << 20), b"")
        with tarfile.open(fileobj=_Pipe(rest, head), mode="r|gz" if packed else "r|") as layer:
            contents[name] = _read_layer(_members(layer))
    elif head[:1] in (b"{", b"["):
        with contextlib.suppress(ValueError):
            documents[name] = json.loads(head + body.read())


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
        elif name.startswith(".wh..wh."):  # notes of the old aufs driver
            continue
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


@dataclass
class _LayerChanges:
    """What a layer changes; the layers above it add to `hidden_by` and `wasted_bytes`."""

    changes: dict[str, tuple[str, int]] = field(default_factory=dict)  # kind, size in bytes
    hidden_by: dict[str, int] = field(default_factory=dict)  # number of the layer that hides it
    wasted_bytes: int = 0


@dataclass(slots=True)
class _Inode:
    """The bytes of a file in a layer, under one name or, with hard links, several."""

    layer: _LayerChanges
    size: int
    names: int = 0

    def hide(self, path: str, by: int) -> None:
        """Remove one of the names; without any, the bytes are wasted in their layer."""
        self.layer.hidden_by[path] = by
        self.names -= 1
        if not self.names:
            self.layer.wasted_bytes += self.size


class _Tree:
    """The files that a container would see after the layers so far."""

    def __init__(self) -> None:
        self.files: dict[str, _Inode] = {}
        self.folders: dict[str, dict[str, None]] = {"": {}}  # the names in each folder

    def add_file(self, path: str, inode: _Inode) -> None:
        self._enter(path)
        self.files[path] = inode
        inode.names += 1

    def add_folder(self, path: str) -> None:
        if path not in self.folders:
            self._enter(path)
            self.folders[path] = {}

    def remove(self, path: str, by: int) -> dict[str, int]:
        """Remove a file or a folder for layer `by`; return the sizes of all files removed.

        A folder that held no file is in the result itself: {"etc/empty/": 0}.
        """
        if inode := self.files.pop(path, None):
            inode.hide(path, by)
            removed = {path: inode.size}
        elif path in self.folders:
            removed = self.empty(path, by) or {f"{path}/": 0}
            del self.folders[path]
        else:
            return {}
        folder, _, name = path.rpartition("/")
        self.folders.get(folder, {}).pop(name, None)
        return removed

    def empty(self, folder: str, by: int) -> dict[str, int]:
        """Remove all that is in a folder; return the sizes of the files removed."""
        removed: dict[str, int] = {}
        for name in list(self.folders.get(folder, ())):
            removed |= self.remove(f"{folder}/{name}".lstrip("/"), by)
        return removed

    def _enter(self, path: str) -> None:
        """List a path in its folder, and the folder in its parent, up to one that is known."""
        while path:
            folder, _, name = path.rpartition("/")
            known = folder in self.folders
            self.folders.setdefault(folder, {})[name] = None
            if known:
                return
            path = folder


def _compare(contents: Iterable[_Content]) -> list[Layer]:
    """Return the layers from the base upwards, each compared with those below it.

    Layer 1 holds a (10 bytes), b (20 bytes); layer 2 holds a (7 bytes) and .wh.b, a whiteout:
        layer 1: a added, 10 bytes, hidden by 2;  b added, 20 bytes, hidden by 2;  30 bytes wasted
        layer 2: a changed, 7 bytes;              b removed, 20 bytes (those it hides)
    A file under two names (hard links) is wasted only when both are hidden.
    """
    tree = _Tree()
    layers: list[_LayerChanges] = []
    for number, content in enumerate(contents, 1):
        removed = _remove_hidden(tree, content, number)
        layer = _LayerChanges()
        inodes: dict[str, _Inode] = {}
        for path, size in content.files.items():
            inode = inodes.get(content.links.get(path, "")) or _Inode(layer, size)
            inodes[path] = inode
            tree.add_file(path, inode)
            kind = ADDED if removed.pop(path, None) is None else CHANGED
            layer.changes[path] = (kind, size)
        layer.changes |= {path: (REMOVED, size) for path, size in removed.items()}
        layers.append(layer)
    return [_layer(number, layer) for number, layer in enumerate(layers, 1)]


def _remove_hidden(tree: _Tree, content: _Content, number: int) -> dict[str, int]:
    """Remove from the tree what layer `number` hides, and add its folders.

    Returns the sizes of the files removed, also of those that the layer holds anew.
    """
    removed: dict[str, int] = {}
    for path in content.whiteouts:
        removed |= tree.remove(path, number)
    for path in content.opaque:
        removed |= tree.empty(path, number)
    for path in content.folders:
        if path in tree.files:
            removed |= tree.remove(path, number)
        tree.add_folder(path)
    for path in content.files:
        removed |= tree.remove(path, number)
    for path in content.folders:  # emptied or created again: the folder exists
        removed.pop(f"{path}/", None)
    return removed


def _layer(number: int, layer: _LayerChanges) -> Layer:
    """Return the frozen form of a layer, its largest files first."""
    files = [
        FileChange(f"/{path}", kind, size, layer.hidden_by.get(path, 0))
        for path, (kind, size) in layer.changes.items()
    ]
    files.sort(key=lambda change: (-change.size_bytes, change.path))
    size = sum(change.size_bytes for change in files if change.kind != REMOVED)
    return Layer(number, "", size, layer.wasted_bytes, tuple(files))


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
