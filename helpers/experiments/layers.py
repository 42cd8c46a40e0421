"""What each layer of an image did to the files: added, changed, removed, and what it hides.

The engine's `save` stream is read once, as it comes, layer by layer: neither the image nor a copy
of it is kept. Source: the OCI image specification (layer.md: whiteouts, opaque directories) and
the layout of `docker save`, before and since Engine 25. Must not know how the result is shown.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from posixpath import dirname, join, normpath
from typing import IO, TYPE_CHECKING, Any

from helpers.engine.find import connect
from helpers.errors import CourseError, EngineUnavailable
from helpers.results.layers import ADDED, CHANGED, REMOVED, FileChange, ImageLayers, Layer

if TYPE_CHECKING:
    from helpers.engine.engine import Engine

SAVE_SECONDS = 600      # the engine says nothing until it has collected all the layers
KEPT = 8
_read: dict[tuple[str, str], ImageLayers] = {}      # host and image id; the last KEPT


def layers(image: str, engine: Engine | None = None) -> ImageLayers:
    """The layers of an image that is on the engine, with the files of each (sizes in bytes).

    Raises CourseError where there is no such image, EngineUnavailable where no engine answers.
    """
    if not isinstance(image, str) or not image.strip():
        raise CourseError(f"{image!r} is not the name of an image.",
                          'Give a name as text, such as layers("my-flask-app").')
    import docker
    import requests

    engine = engine or connect()
    client = None
    try:
        # The client asks the engine's version as it is made: a stopped one shows here.
        client = docker.DockerClient(base_url=engine.host, timeout=SAVE_SECONDS)
        key = engine.host, str(client.images.get(image).id)
        if key not in _read:
            stream = client.api.get_image(image)
            _read[key] = read_image(stream, image, key[1])
        _read[key] = found = _read.pop(key)     # the last used is the last to go
        for oldest in list(_read)[:-KEPT]:
            del _read[oldest]
        return replace(found, image=image)
    except docker.errors.ImageNotFound:
        raise CourseError(
            f"There is no image {image!r} on this engine.",
            f"Build it: docker build -t {image} .   (docker images lists what is there)") from None
    except docker.errors.APIError as error:
        raise CourseError(f"The engine would not give the image {image!r}: {error.explanation}",
                          "Look at the name: docker images") from None
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineUnavailable(f"The engine stopped answering ({type(error).__name__}).",
                                "Look at it with: python3 -m helpers doctor") from None
    finally:
        if client is not None:
            client.close()


def read_image(stream: Iterable[bytes], image: str, image_id: str = "") -> ImageLayers:
    """The layers of the first image in a `docker save` stream, read once from front to back.

    Raises CourseError where the stream is cut short or is not such an archive.
    """
    documents: dict[str, Any] = {}
    contents: dict[str, _Content] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=_Pipe(stream), mode="r|") as archive:
            for member in _members(archive):
                name = normpath(member.name)
                if member.issym() or member.islnk():
                    beside = dirname(name) if member.issym() else ""
                    links[name] = normpath(join(beside, member.linkname))
                elif member.isfile() and (body := archive.extractfile(member)):
                    _read_blob(name, body, documents, contents)
        manifest = documents["manifest.json"][0]
        config = documents[normpath(manifest["Config"])]
        names = [normpath(name) for name in manifest["Layers"]]
        in_order = [contents[links.get(name, name)] for name in names]
    except (tarfile.TarError, EOFError, zlib.error, KeyError, IndexError, TypeError) as error:
        raise CourseError(f"The layers of {image!r} could not be read ({error}).",
                          "Try again; if it stays so, build the image again.") from None
    entries = _entries(config.get("history") or [], _compare(in_order))
    return ImageLayers(image, image_id, entries)


def clean_instruction(created_by: str, comment: str = "") -> str:
    """Return an instruction as the Dockerfile had it, from what the image's history says.

    Engines write lists in Go's notation: `EXPOSE [5000/tcp]` (before Engine 28
    `map[5000/tcp:{}]`) and `CMD ["flask" "run"]`.
    """
    text = created_by.strip().removesuffix("# buildkit").rstrip()
    if not text:
        return f"({comment.strip()})" if comment.strip() else "(no instruction recorded)"
    nop = re.match(r"/bin/sh -c #\(nop\)\s*(.*)", text, re.DOTALL)
    text = nop[1] if nop else re.sub(r"^(?:RUN )?(?:\|\d+ .*?)?/bin/(?:ba)?sh -c ", "RUN ", text,
                                     count=1, flags=re.DOTALL)
    keyword, _, rest = text.partition(" ")
    listed = re.fullmatch(r"(?:map)?\[(.*)\]", rest)
    if keyword == "EXPOSE" and listed:
        ports = re.findall(r"[\d-]+/\w+", listed[1])
        return f"EXPOSE {' '.join(port.removesuffix('/tcp') for port in ports)}"
    if keyword == "VOLUME" and listed and '"' not in rest:
        return f"VOLUME {listed[1]}"
    if keyword == "SHELL" and listed and '"' not in rest:
        return f"SHELL {json.dumps(listed[1].split())}"
    if keyword in ("CMD", "ENTRYPOINT") and listed:
        words = re.findall(r'"(?:[^"\\]|\\.)*"', listed[1])
        shell_form = re.fullmatch(r'"/bin/(ba)?sh" "-c"', " ".join(words[:2])) and len(words) == 3
        rest = json.loads(words[2], strict=False) if shell_form else f"[{', '.join(words)}]"
        return f"{keyword} {rest}"
    return text


@dataclass
class _Content:
    """What one layer's archive holds, by path from the root, without a slash in front."""

    files: dict[str, int] = field(default_factory=dict)     # size in bytes
    links: dict[str, str] = field(default_factory=dict)     # a hard link's other name
    folders: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)        # opaque: nothing from below is seen


class _Pipe(io.RawIOBase):
    """Chunks of bytes as a file that can only be read on."""

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
            self._left = self._left[len(part):]
            parts.append(part)
            missing -= len(part) if missing > 0 else 0
        return b"".join(parts)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members one by one; tarfile would keep them all."""
    while (member := archive.next()) is not None:
        yield member
        archive.members = []


def _read_blob(name: str, body: IO[bytes], documents: dict[str, Any],
               contents: dict[str, _Content]) -> None:
    """Keep a file of the archive as what it is by its first bytes: a layer, or JSON."""
    head = body.read(tarfile.BLOCKSIZE)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        raise tarfile.ReadError("a layer is packed with zstd, which is not supported")
    packed = head.startswith(b"\x1f\x8b")
    if packed or head[257:262] == b"ustar" or head.count(0) == tarfile.BLOCKSIZE:
        rest = iter(lambda: body.read(1 << 20), b"")
        with tarfile.open(fileobj=_Pipe(rest, head), mode="r|gz" if packed else "r|") as layer:
            contents[name] = _read_layer(_members(layer))
    elif head[:1] in (b"{", b"["):
        try:
            documents[name] = json.loads(head + body.read())
        except ValueError:
            return


def _read_layer(members: Iterable[tarfile.TarInfo]) -> _Content:
    content = _Content()
    for member in members:
        path = member.name.removeprefix("./").strip("/")
        if not path.isascii():
            path = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if path in ("", "."):
            continue
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            content.emptied.append(folder)
        elif name.startswith(".wh..wh."):       # the old aufs driver's own notes
            continue
        elif name.startswith(".wh."):
            content.gone.append(f"{folder}/{name[4:]}".lstrip("/"))
        elif member.isdir():
            content.folders.append(path)
        elif member.islnk():
            content.files[path] = 0
            content.links[path] = normpath(member.linkname.lstrip("/"))
        else:
            content.files[path] = member.size if member.isreg() else 0
            content.links.pop(path, None)
    return content


class _Inode:
    """The bytes of a file in a layer, under one or, with hard links, more names."""

    __slots__ = ("layer", "names", "size")

    def __init__(self, layer: int, size: int) -> None:
        self.layer, self.size, self.names = layer, size, 0


class _Tree:
    """The files a container would see, as the layers are laid on top of each other."""

    def __init__(self) -> None:
        self.files: dict[str, _Inode] = {}
        self.folders: dict[str, dict[str, None]] = {"": {}}

    def put(self, path: str, inode: _Inode) -> None:
        self._enter(path)
        self.files[path] = inode
        inode.names += 1

    def add_folder(self, path: str) -> None:
        if path not in self.folders:
            self._enter(path)
            self.folders[path] = {}

    def empty(self, folder: str, note: Callable[[str, _Inode | None], None]) -> bool:
        """Take all that is in a folder away, noting each file; whether there was a file."""
        taken = [self.take(f"{folder}/{name}".lstrip("/"), note)
                 for name in list(self.folders.get(folder, ()))]
        return any(taken)

    def take(self, path: str, note: Callable[[str, _Inode | None], None]) -> bool:
        """Take a file or a whole folder away, noting each file; whether there was anything.

        A folder without a file in it is noted itself, with a slash and no inode.
        """
        inode = self.files.pop(path, None)
        if inode:
            inode.names -= 1
            note(path, inode)
        elif path in self.folders:
            if not self.empty(path, note):
                note(f"{path}/", None)
            del self.folders[path]
        else:
            return False
        folder, _, name = path.rpartition("/")
        self.folders[folder].pop(name, None)
        return True

    def _enter(self, path: str) -> None:
        """Enter a path in its folder, and that in its own, up to the first that is known."""
        while path:
            folder, _, name = path.rpartition("/")
            known = folder in self.folders
            self.folders.setdefault(folder, {})[name] = None
            if known:
                return
            path = folder


def _compare(contents: Iterable[_Content]) -> list[Layer]:
    """The layers, from the base upwards, after each was laid over those below it."""
    tree = _Tree()
    changes: list[dict[str, tuple[str, int]]] = []
    wasted: list[int] = []
    hidden: list[dict[str, int]] = []
    for at, content in enumerate(contents):
        removed: dict[str, int] = {}

        def note(path: str, inode: _Inode | None, at: int = at,
                 removed: dict[str, int] = removed) -> None:
            removed[path] = inode.size if inode else 0
            if inode:
                hidden[inode.layer][path] = at + 1
                if not inode.names:
                    wasted[inode.layer] += inode.size

        for path in content.gone:
            tree.take(path, note)
        for path in content.emptied:
            tree.empty(path, note)
        for path in content.folders:
            if path in tree.files:
                tree.take(path, note)
            tree.add_folder(path)
        own: dict[str, _Inode] = {}
        here: dict[str, tuple[str, int]] = {}
        changes.append(here)
        hidden.append({})
        wasted.append(0)
        for path, size in content.files.items():
            if path in tree.files or path in tree.folders:
                tree.take(path, note)
            inode = own.get(content.links.get(path, "")) or _Inode(at, size)
            own[path] = inode
            tree.put(path, inode)
            here[path] = (CHANGED if removed.pop(path, None) is not None else ADDED, size)
        for path in content.folders:
            removed.pop(f"{path}/", None)       # emptied, or made anew: the folder is there
        here.update((path, (REMOVED, size)) for path, size in removed.items())
    return [_layer(at + 1, here, wasted[at], hidden[at]) for at, here in enumerate(changes)]


def _layer(number: int, changes: dict[str, tuple[str, int]], wasted: int,
           hidden: dict[str, int]) -> Layer:
    files = [FileChange(f"/{path}", kind, size, hidden.get(path, 0))
             for path, (kind, size) in changes.items()]
    files.sort(key=lambda change: (-change.size_bytes, change.path))
    size = sum(change.size_bytes for change in files if change.kind != REMOVED)
    return Layer(number, "", size, wasted, tuple(files))


def _entries(history: list[dict[str, Any]], found: list[Layer]) -> tuple[Layer, ...]:
    """The history with the layers in it; a layer that it does not speak of comes first."""
    spoken = sum(not line.get("empty_layer") for line in history)
    unspoken = max(0, len(found) - spoken)
    entries = [replace(layer, instruction=clean_instruction("")) for layer in found[:unspoken]]
    rest = iter(found[unspoken:])
    for line in history:
        text = clean_instruction(line.get("created_by", ""), line.get("comment", ""))
        layer = None if line.get("empty_layer") else next(rest, None)
        entries.append(replace(layer, instruction=text) if layer else Layer(0, text))
    return tuple(entries)
