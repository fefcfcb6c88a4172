"""Manifests that swell: archives, devices, directories, repositories; each with a bound."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from policy_text import manifest

from limits_support import limited, limited_code
from netpol.cli.flow_options import MAX_MANIFEST
from netpol.kube.policies import read_policies
from netpol.kube.read import content
from netpol.kube.read.content import MAX_MANIFEST_BYTES, manifest_limit, max_manifest_bytes
from netpol.kube.read.inputs import InputFile, find_inputs
from netpol.kube.read.manifests import raise_error
from netpol.kube.read.revisions import find_revision, revision_files
from netpol.model.errors import ConfigError, ManifestError

POLICY = manifest("podSelector: {}").encode()


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, "zstd", asbytes=True)
    return packed


@cache
def zeros(kind: str) -> bytes:
    """Give an archive of 256 MiB of zeros."""
    out = io.BytesIO()
    packer = gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6) if kind == "gz" else None
    stream = packer or pa.CompressedOutputStream(pa.PythonFile(out, "w"), "zstd")
    for _ in range(256):
        stream.write(bytes(1 << 20))
    if packer is None:
        stream.flush()
        return out.getvalue()
    stream.close()
    return out.getvalue()


# --- archives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gz", "zst"])
def test_a_small_archive_asks_for_little(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "p.yaml.packed"
    path.write_bytes(pack(POLICY))
    done = limited("check", str(path))
    assert (done.returncode, done.stdout) == (0, "1 valid policy, 0 errors, 0 warnings\n")


@pytest.mark.parametrize(
    ("pack", "what"), [(bz2.compress, "bzip2"), (lzma.compress, "xz")], ids=["bz2", "xz"]
)
def test_an_archive_that_is_not_unpacked_says_so(tmp_path: Path, pack: Any, what: str) -> None:
    path = tmp_path / "p.yaml.packed"
    path.write_bytes(pack(POLICY))
    with pytest.raises(ManifestError, match=f"compressed with {what}; decompress it first"):
        read_policies(path)


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("way", ["file", "stdin", "directory"])
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, kind: str, way: str) -> None:
    path = tmp_path / f"bomb.yaml.{kind}"
    path.write_bytes(zeros(kind))
    named = {"file": str(path), "stdin": "-", "directory": str(tmp_path)}[way]
    done = limited("check", named, stdin=path.read_bytes() if way == "stdin" else None)
    assert done.returncode == 2
    assert "times its size (65 MiB so far" in done.stdout
    assert f"{'<stdin>' if way == 'stdin' else path}: error: unpacks to" in done.stdout
    assert done.stderr == ""


def test_members_one_after_the_other_are_one_file() -> None:
    second = POLICY.replace(b"name: p", b"name: q")
    for pack in (gzip.compress, zstd):
        data = pack(POLICY) + pack(b"---\n" + second)
        assert len(read_policies([InputFile("p", None, data)])) == 2


def test_members_count_together_against_the_limit() -> None:
    data = gzip.compress(POLICY) * 10
    with manifest_limit(5 * len(POLICY)), pytest.raises(ManifestError, match="unpacks to more"):
        read_policies([InputFile("p", None, data)])


def test_an_honest_archive_may_shrink_much(monkeypatch: pytest.MonkeyPatch) -> None:
    # As zeros do: below FREE_BYTES nothing is said of it, and beyond if it is in proportion.
    data = gzip.compress(POLICY + b"#" * (1 << 20))
    assert len(data) * content.MAX_RATIO < 1 << 20
    assert len(read_policies([InputFile("p", None, data)])) == 1
    monkeypatch.setattr(content, "FREE_BYTES", 1 << 19)
    with pytest.raises(ManifestError, match=r"p: unpacks to \d+ times its size"):
        read_policies([InputFile("p", None, data)])
    monkeypatch.setattr(content, "MAX_RATIO", 2000)
    assert len(read_policies([InputFile("p", None, data)])) == 1


# --- the limit ----------------------------------------------------------------------------------


def test_the_limit_is_of_the_content_whatever_holds_it(tmp_path: Path) -> None:
    size = len(POLICY)
    for name, data in (("a", POLICY), ("b", gzip.compress(POLICY)), ("c", zstd(POLICY))):
        (tmp_path / name).write_bytes(data)
        with manifest_limit(size):
            assert len(read_policies(tmp_path / name)) == 1
        with manifest_limit(size - 1), pytest.raises(ManifestError, match="at most") as caught:
            read_policies(tmp_path / name)
        assert caught.value.location.file == str(tmp_path / name)
    assert max_manifest_bytes() == MAX_MANIFEST_BYTES == 2 << 30


def test_a_limit_of_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at most 0 bytes"), manifest_limit(0):
        pass


def test_the_option_says_the_default_and_sets_the_limit(tmp_path: Path) -> None:
    option = MAX_MANIFEST(lambda: None).__click_params__[0]
    assert option.type.convert(option.default, None, None) == MAX_MANIFEST_BYTES
    path = tmp_path / "p.yaml"
    path.write_bytes(POLICY)
    done = limited("check", "--max-manifest", "10", str(path))
    assert done.returncode == 2
    assert "a manifest has at most 10 bytes (--max-manifest)" in done.stdout
    assert limited("check", "--max-manifest", "1MiB", str(path)).returncode == 0


def test_standard_input_without_end_stops_at_the_limit() -> None:
    command = f"yes 'a: b' | {sys.executable} -m netpol check --max-manifest 1MiB -"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "<stdin>: error: has more; a manifest has at most 1048576 bytes" in done.stdout


def test_a_fifo_without_end_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with (
        subprocess.Popen(["sh", "-c", f"yes > '{path}'"], stderr=subprocess.DEVNULL),
        manifest_limit(1 << 20),
        pytest.raises(ManifestError, match="has more"),
    ):
        read_policies(path)


def test_a_file_that_grows_as_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(POLICY)
    real = os.fstat

    def smaller(descriptor: int) -> os.stat_result:
        status = list(real(descriptor))
        status[6] = 5  # st_size
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", smaller)
    assert len(read_policies(path)) == 1


# --- what is no file ----------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/full"])
def test_a_device_is_refused_at_once(device: str) -> None:
    if not Path(device).exists():
        pytest.skip("no such device here")
    done = limited("check", device, room=100 << 20)
    assert done.returncode == 2
    assert f"{device}: error: is a device, not a file" in done.stdout
    with open(device, "rb") as stdin:  # noqa: PTH123
        done_stdin = subprocess.run(
            [sys.executable, "-m", "netpol", "check", "-"],
            stdin=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done_stdin.returncode == 2
    assert "<stdin>: error: is a device, not a file" in done_stdin.stdout


def test_the_empty_device_is_an_empty_file() -> None:
    with pytest.raises(ManifestError, match="/dev/null: the file is empty"):
        read_policies("/dev/null")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.yaml")
        with pytest.raises(ManifestError, match=r"s\.yaml: is a socket, not a file"):
            read_policies("s.yaml")


def test_a_search_passes_over_links_to_what_blocks(tmp_path: Path) -> None:
    tmp_path = tmp_path / "above" / "here"  # a link up must not lead to what other tests leave
    tmp_path.mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "p.yaml").write_bytes(POLICY)
    (tmp_path / "pipe.yaml").symlink_to("pipe")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "up").symlink_to("..")
    found = [file.name for file in find_inputs(tmp_path, raise_error)]
    assert str(tmp_path / "p.yaml") in found
    assert not {str(tmp_path / "pipe.yaml"), str(tmp_path / "zero.yaml")} & set(found)


def test_a_search_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").touch()
    monkeypatch.setattr("netpol.kube.read.inputs.MAX_SEARCHED", 19)
    with pytest.raises(ManifestError, match="more than 19 files and folders in it"):
        read_policies(tmp_path)


def test_a_deep_tree_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):  # deeper than Python calls itself
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    Path("p.yaml").write_bytes(POLICY)
    os.chdir(tmp_path)
    assert len(read_policies(tmp_path)) == 1
    subprocess.run(["rm", "-r", "d"], check=True)  # which goes as deep


# --- git ----------------------------------------------------------------------------------------


def test_the_files_of_a_revision_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_bytes(POLICY)
    (tmp_path / "b.yaml").write_bytes(POLICY)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], check=True)
    revision = find_revision("HEAD")
    with manifest_limit(2 * len(POLICY)):
        assert [file.data for file in revision_files(revision, ["."])] == [POLICY, POLICY]
    with manifest_limit(2 * len(POLICY) - 1), pytest.raises(ManifestError, match="together"):
        revision_files(revision, ["."])


# --- texts that would take the square of their length, of time or memory ------------------------

_SHAPES = {
    # Each took more than a minute of a processor, growing with the square; now 2 s at most.
    "duplicate keys": '"a: 1\\n" * 120_000',
    "documents with mistakes": '"---\\na: 1\\na: 2\\nkind: NetworkPolicy\\n" * 16_000',
    "directives": '"".join(f"%TAG !a{i}! tag:x:\\n" for i in range(256_000)) + "---\\na: 1\\n"',
    "lists, one a line": '\'{"kind":"PodList","apiVersion":"v1","items":[]}\\n\' * 160_000',
    "pieces of a dump": '\'Warning: x\\n{"kind":"Pod","apiVersion":"v1"}\\n\' * 40_000',
}


@pytest.mark.long
@pytest.mark.parametrize("shape", _SHAPES)
def test_the_time_of_reading_grows_as_the_text(shape: str) -> None:
    code = (
        "from netpol.model.errors import NetpolError\n"
        "from netpol.kube.read.inputs import InputFile\n"
        "from netpol.kube.policies import read_policies\n"
        f"text = {_SHAPES[shape]}\n"
        "try: read_policies([InputFile('x', None, text.encode())])\n"
        "except NetpolError as error: print(str(error)[:200])\n"
    )
    done = limited_code(code, seconds=25)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    "text", ["---\n? [a]\n: 2\n", "---\n{{ x }}: 1\n", "---\na: b: c\n{{ x }}\n"]
)
def test_text_is_parsed_a_bounded_number_of_times(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import netpol.kube.read.yamltree as tree

    parsed: list[int] = []
    real = tree._Loader

    def loader(given: str) -> Any:
        parsed.append(len(given))
        return real(given)

    monkeypatch.setattr(tree, "_Loader", loader)

    def work(count: int) -> int:
        parsed.clear()
        with pytest.raises(ManifestError):
            read_policies([InputFile("x", None, (text * count).encode())])
        return sum(parsed)

    assert work(8000) < 5 * work(2000)


@pytest.mark.parametrize("syntax", ["yaml", "json"])
def test_a_long_key_does_not_stand_before_every_field_below_it(tmp_path: Path, syntax: str) -> None:
    key, below = json.dumps("x" * (1 << 20)), json.dumps({f"k{i}": 1 for i in range(10_000)})
    head = (
        '"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"}'
    )
    text = f'{{{head}, {key}: {below}, "z": 1}}'
    if syntax == "yaml":
        text = f"{head}\n? {key}\n: {below}\nz: 1\n".replace(", ", "\n", 2)
    path = tmp_path / "p"
    path.write_text(text)
    done = limited("check", str(path))
    assert done.returncode == 2
    assert "unknown field 'z'" in done.stdout
    assert "more characters)" in done.stdout
    assert len(done.stdout) < 10_000
