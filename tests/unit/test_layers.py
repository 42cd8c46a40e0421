"""Layers read from archives made here: both layouts, whiteouts, hard links, hidden bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from helpers.errors import CourseError
from helpers.experiments.layers.measure import clean_instruction, inspect_layers, read_image
from helpers.experiments.layers.result import FileChange, ImageLayers, Layer
from helpers.experiments.layers.view import RENDERERS, describe_files, files_html
from helpers.experiments.layers.widget import walk_layers


def make_tar(*entries):
    """Return a tar of (path, content): bytes a file, None a folder, "->x" a symlink, "=x" a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in entries:
            info = tarfile.TarInfo(path)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                info.linkname = content.removeprefix("->").removeprefix("=")
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def save(*tars, layout="oci", packed=False, history=None):
    """Return what `docker save` sends for these layers, in chunks that end anywhere."""
    if history is None:
        history = [
            {"created_by": f"RUN /bin/sh -c step {i + 1} # buildkit"} for i in range(len(tars))
        ]
    config = json.dumps({"history": history}).encode()
    blobs = [gzip.compress(tar) if packed else tar for tar in tars]
    if layout == "oci":
        names = [f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
        config_name = f"blobs/sha256/{hashlib.sha256(config).hexdigest()}"
    else:
        names = [f"{i:064x}/layer.tar" for i in range(len(blobs))]
        config_name = "abc.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": None, "Layers": names}]).encode()
    data = make_tar(
        *dict(zip(names, blobs, strict=True)).items(),
        (config_name, config),
        ("manifest.json", manifest),
    )
    return [data[i : i + 1000] for i in range(0, len(data), 1000)]


def read(*tars, **how):
    return read_image(save(*tars, **how), "x")


def changes(layer):
    return {(f.path, f.kind, f.size_bytes, f.hidden_by) for f in layer.files}


BASE = make_tar(("etc", None), ("etc/a", b"a" * 10), ("etc/b", b"b" * 20), ("opt/c/d", b"d" * 5))


@pytest.mark.parametrize("layout", ["oci", "classic"])
@pytest.mark.parametrize("packed", [False, True])
def test_added_changed_removed_and_wasted(layout, packed):
    second = make_tar(("etc/a", b"A" * 7), ("etc/.wh.b", b""), ("new", b"123"))
    one, two = read(BASE, second, layout=layout, packed=packed).layers
    assert changes(one) == {
        ("/etc/a", "added", 10, 2),
        ("/etc/b", "added", 20, 2),
        ("/opt/c/d", "added", 5, 0),
    }
    assert changes(two) == {
        ("/etc/a", "changed", 7, 0),
        ("/etc/b", "removed", 20, 0),
        ("/new", "added", 3, 0),
    }
    assert (one.size_bytes, one.wasted_bytes) == (35, 30)
    assert (two.size_bytes, two.wasted_bytes) == (10, 0)
    assert two.counts == {"added": 1, "changed": 1, "removed": 1}


def test_overwritten_and_removed_file_wastes_both():
    image = read(make_tar(("f", b"x" * 100)), make_tar(("f", b"y" * 60)), make_tar((".wh.f", b"")))
    assert [layer.wasted_bytes for layer in image.layers] == [100, 60, 0]
    assert image.wasted_bytes == 160
    assert changes(image.layers[2]) == {("/f", "removed", 60, 0)}


def test_removed_folder_lists_its_files():
    image = read(BASE, make_tar((".wh.opt", b"")))
    assert changes(image.layers[1]) == {("/opt/c/d", "removed", 5, 0)}
    assert image.layers[0].wasted_bytes == 5


def test_removed_empty_folder_is_listed():
    image = read(make_tar(("empty", None)), make_tar((".wh.empty", b"")))
    assert image.layers[0].files == ()
    assert changes(image.layers[1]) == {("/empty/", "removed", 0, 0)}


def test_opaque_folder_hides_lower_files_only():
    opaque = make_tar(("etc", None), ("etc/a", b"AA"), ("etc/z", b"z"), ("etc/.wh..wh..opq", b""))
    image = read(BASE, opaque)
    assert changes(image.layers[1]) == {
        ("/etc/a", "changed", 2, 0),
        ("/etc/z", "added", 1, 0),
        ("/etc/b", "removed", 20, 0),
    }
    assert image.layers[0].wasted_bytes == 30


def test_file_replacing_folder_hides_its_files():
    image = read(BASE, make_tar(("opt", b"now a file")))
    assert changes(image.layers[1]) == {("/opt", "added", 10, 0), ("/opt/c/d", "removed", 5, 0)}


def test_hard_links_count_once():
    first = make_tar(("one", b"x" * 50), ("two", "=one"))
    image = read(first, make_tar((".wh.one", b"")), make_tar((".wh.two", b"")))
    assert image.layers[0].size_bytes == 50
    assert image.layers[0].wasted_bytes == 50
    assert read(first, make_tar((".wh.one", b""))).wasted_bytes == 0


def test_symlinks_and_odd_names():
    (layer,) = read(make_tar(("./bin", "->usr/bin"), ("caf\udce9", b"1"), ("/ä", b"22"))).layers
    assert changes(layer) == {
        ("/bin", "added", 0, 0),
        ("/caf\\xe9", "added", 1, 0),
        ("/ä", "added", 2, 0),
    }


def test_same_layer_twice_counts_twice():
    image = read(BASE, BASE)
    assert [layer.counts["changed"] for layer in image.layers] == [0, 3]
    assert image.wasted_bytes == 35


def test_configuration_is_between_layers():
    history = [
        {"created_by": "", "comment": "Imported from -"},
        {"created_by": 'CMD ["python3"]', "empty_layer": True},
        {"created_by": "COPY . . # buildkit"},
    ]
    image = read(BASE, make_tar(("app", b"1")), history=history)
    assert [(e.number, e.instruction) for e in image.entries] == [
        (1, "(Imported from -)"),
        (0, 'CMD ["python3"]'),
        (2, "COPY . ."),
    ]
    assert image.entries[1].is_config
    assert len(image.layers) == 2


def test_short_or_missing_history():
    image = read(BASE, make_tar(("app", b"1")), history=[{"created_by": "COPY . . # buildkit"}])
    assert [e.instruction for e in image.entries] == ["(no instruction recorded)", "COPY . ."]
    assert len(read(BASE, history=[]).layers) == 1


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("RUN /bin/sh -c pip install x # buildkit", "RUN pip install x"),
        ("RUN |2 A=1 B=two words /bin/sh -c echo $A # buildkit", "RUN echo $A"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("RUN /bin/bash -o pipefail -c x # buildkit", "RUN /bin/bash -o pipefail -c x"),
        ("COPY . . # buildkit", "COPY . ."),
        ("EXPOSE [5000/tcp 53/udp]", "EXPOSE 5000 53/udp"),
        ("EXPOSE map[5000/tcp:{}]", "EXPOSE 5000"),
        ('CMD ["flask" "run"]', 'CMD ["flask", "run"]'),
        (r'CMD ["/bin/sh" "-c" "echo \"hi\""]', 'CMD echo "hi"'),
        (r'ENTRYPOINT ["echo" "a \"b\""]', r'ENTRYPOINT ["echo", "a \"b\""]'),
        ("SHELL [/bin/bash -c]", 'SHELL ["/bin/bash", "-c"]'),
        ("VOLUME [/data /more]", "VOLUME /data /more"),
        ("RUN /bin/sh -c echo '# buildkit' # buildkit", "RUN echo '# buildkit'"),
    ],
)
def test_instructions_are_as_in_dockerfile(raw, clean):
    assert clean_instruction(raw) == clean


@pytest.mark.parametrize(
    "data",
    [
        [],
        [b"nonsense" * 200],
        save(BASE)[:3],
        [make_tar(("manifest.json", b"[]"))],
        save(b"\x28\xb5\x2f\xfd" + b"packed with zstd" * 80),
    ],
)
def test_broken_stream_is_one_message(data):
    with pytest.raises(CourseError, match="could not be read"):
        read_image(data, "x")


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_invalid_name_needs_no_engine(name):
    with pytest.raises(CourseError, match="is not the name of an image"):
        inspect_layers(name)


def many(count):
    kinds = ("added", "changed", "removed")
    return Layer(
        1,
        "RUN make",
        files=tuple(
            FileChange(
                f"/usr/lib/part{i % 100}/File{i}.{'py' if i % 2 else 'txt'}", kinds[i % 3], i
            )
            for i in range(count)
        ),
    )


def test_filter_of_100_000_files():
    layer = many(100_000)
    assert layer.matching() == layer.files
    assert len(layer.matching("*.PY")) == 50_000
    assert [f.path for f in layer.matching("file99999")] == ["/usr/lib/part99/File99999.py"]
    assert len(layer.matching("part7/*.py")) == 1000
    assert len(layer.matching("/usr/lib/part7/*")) == 1000
    assert layer.matching("part7/file?.py")[0].path == "/usr/lib/part7/File7.py"
    assert {f.kind for f in layer.matching("part1/", ["removed"])} == {"removed"}
    assert layer.matching("part1/", []) == ()
    assert layer.matching("[") == ()


def test_widget_filters_and_counts_files():
    layer = many(1000)
    walk = walk_layers(ImageLayers("img", "id", (layer, Layer(0, "CMD x"))))
    _, choice, controls, summary, table = walk.children
    text, added, changed, removed = controls.children
    assert table.value.count("<tr>") == 201
    assert "1,000 of 1,000 files" in summary.value and "200 largest" in summary.value
    text.value = "*.py"
    assert "500 of 1,000 files" in summary.value
    added.value = changed.value = False
    assert table.value.count("− removed") == 166 and "+ added" not in table.value
    removed.value = False
    assert "0 of 1,000 files" in summary.value
    choice.value = 1
    assert "configuration only" in summary.value


def test_text_from_image_is_escaped():
    bad = Layer(1, "RUN <b>", files=(FileChange("/<script>", "added", 1),))
    image = ImageLayers("<i>", "id", (bad,))
    shown = RENDERERS[ImageLayers](image)
    assert "<b>" not in shown["text/html"] and "<i>" not in shown["text/html"]
    assert "<script>" not in files_html(bad.files)


def test_text_table():
    image = read(make_tar(("f", b"x" * 2000)), make_tar((".wh.f", b"")))
    assert image.text().splitlines() == [
        "layer    size  added  changed  removed  wasted  instruction",
        "    1  2.0 kB      1        0        0  2.0 kB  RUN step 1",
        "    2     0 B      0        0        1     0 B  RUN step 2",
        "",
        "x: 2 layers, 2.0 kB, of which a later layer hides 2.0 kB.",
    ]
    assert "those removed still take 2.0 kB" in describe_files(
        image.layers[1], image.layers[1].files
    )
