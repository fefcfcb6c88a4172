"""Attacks the command line: real options with hostile values, over a tiny cluster.

Must hold: whatever the words and variables, the command ends with a documented exit code, never
with a traceback or "this is a bug"; a failure prints no data; no input is replaced. What a word
names outside of the folder cannot be written, whoever runs this.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
from click.testing import CliRunner, Result

from fuzz.confined import confined
from netpol.cli.main import COMMANDS, main

__all__ = ["check", "folder", "one", "seeds"]

#: 0 done, 1 a gate or warnings, 2 an error; signals and pipes are not met in one process.
DOCUMENTED = (0, 1, 2)

_INPUTS = {
    "cluster.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {nodeName: n1}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}}
spec: {nodeName: n1}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: []}}
""",
    "policies.yaml": """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
""",
    "flows.csv": "src,dst,protocol,port\n10.0.0.1,10.0.0.2,tcp,5432\n10.0.0.1,10.0.0.2,tcp,80\n",
    "dns.csv": "time,name,address,ttl\n2026-01-01T00:00:00Z,a.example,192.0.2.1,30\n",
    "empty": "",
    "noise": "\x00\x01\x7f nothing\r\n\ufffe",
    "netpol.toml": "top = 3\n",
}

_HOSTILE = (
    "", " ", "-", "--", "0", "-1", "1", "65535", "65536", "99999999999999999999999", "1e400", "nan",
    "inf", "-inf", "1.5", "0x10", "1_000", "\u0663", "\u00b2", "1%", "101%", "-1%", "1GiB", "1ZiB",
    "1e30", "0B", "9223372036854775808", "true", "maybe", "none", "all", "HEAD", "HEAD:policies",
    "-x", "a:b", ":", "=", "n1=1.2.3.4", "n1=", "n1=1.2.3.4.5", "n1=::1%lo", "x=1.1.1.1",
    "n1=\udcff",
    "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "10000-01-01T00:00:00Z", "2026-01-01",
    "2262-04-11T23:47:16.854775808Z", "1677-09-21T00:12:43Z", "2026-06-30T23:59:60+24:00",
    "2026-02-30T00:00:00Z", "Europe/Berlin", "../../etc/passwd", "/etc/localtime", "UTC\n",
    "Mars/X",
    "*", "**", "[", "[!", "a[b-", "{a,b}", "(((", "*" * 60 + "b", "\\", "shop/*", "shop", "SHOP",
    "shop/web-0", "shop/db-0", "pod/web-0", "deployment/x", "svc/x", "node/n1", "external",
    "10.0.0.1", "10.0.0.2", "::1", "::ffff:10.0.0.1", "999.1.1.1", "443/tcp", "tcp/443", "icmp",
    "http", "5432", "5432/tcp", "443/tcp/tcp", "deny", "deny,unknown", ",", "deny,deny",
    "calico,cilium",
    "spec,spec", "warning", "dns", "never-hit", "CiliumNetworkPolicy", "4", "6", "bash",
    "\udcff\udc80", "\u202e", "\x1b[31m", "a\nb", "a\rb", "x" * 5000, "x/" * 2000,
    "flows.csv", "cluster.yaml", "policies.yaml", "dns.csv", "empty", "noise", ".", "..", "nowhere",
    "nowhere/x", "netpol.toml", "flows.csv/x", "/dev/null", "/dev/full", "out", "out2", "./out",
)  # fmt: skip

_VARIABLES = ("COLUMNS", "LINES", "TERM", "NO_COLOR", "SOURCE_DATE_EPOCH", "NETPOL_CONFIG", "LANG",
              "NETPOL_TOP", "NETPOL_QUIET", "NETPOL_JOBS", "NETPOL_CLUSTER", "NETPOL_FAIL_ON",
              "NETPOL_MEMORY_BUDGET", "NETPOL_DNS", "NETPOL_STRICT", "NETPOL_REPORT",
              "NETPOL_OUTPUT", "NETPOL_NAMESPACE", "NETPOL_IGNORE_KINDS", "NETPOL_NODE_ADDRESS",
              "FORCE_COLOR", "UNICODE_VERSION")  # fmt: skip

_LEAST = {
    "check": ["policies.yaml"],
    "completion": ["bash"],
    "explain": ["shop/web-0", "shop/db-0", "5432", "-c", "cluster.yaml", "-p", "policies.yaml"],
    "matrix": ["-c", "cluster.yaml", "-p", "policies.yaml"],
    "rule": ["dns"],
    "diff": ["flows.csv", "-c", "cluster.yaml", "--before", "policies.yaml", "--after", "none"],
    "coverage": ["flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml"],
    "replay": ["flows.csv", "-c", "cluster.yaml", "-p", "policies.yaml"],
}


def one(data: bytes) -> None:
    """Run one command line; the first byte is the command, then one or two bytes a word."""
    choose = iter(data)
    name = list(COMMANDS)[next(choose, 0) % len(COMMANDS)]
    words = [name, *_LEAST[name]] if next(choose, 0) % 4 else [name]
    environment: dict[str, str | None] = {}
    options = _options(name)
    for byte in choose:
        kind, value = byte % 8, _HOSTILE[next(choose, 0) % len(_HOSTILE)]
        if kind == 0:
            words.append(value)
        elif kind == 1:
            environment[_VARIABLES[next(choose, 0) % len(_VARIABLES)]] = value
        elif options:
            option = options[next(choose, 0) % len(options)]
            takes = not option.is_flag
            long = max(option.opts, key=len)
            words += [f"{long}={value}"] if takes and kind < 6 else [long, *[value] * takes]
    variables = {k: v for k, v in environment.items() if v is not None and "\0" not in v}
    check(words, variables)


@cache
def _options(name: str) -> list[click.Option]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return [param for param in command.params if isinstance(param, click.Option)]


@cache
def folder() -> Path:
    """Return folder that everything runs in, one a process: ``..`` and ``../..`` are its own."""
    kept = tempfile.TemporaryDirectory(prefix="netpol-fuzz-")
    _KEPT.append(kept)
    made = Path(kept.name) / "two" / "down"
    made.mkdir(parents=True)
    return made


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def check(
    words: list[str], environment: dict[str, str] | None = None, stdin: bytes = b""
) -> Result:
    """Run a command line and check what must hold of any."""
    place = folder()
    for name, text in _INPUTS.items():
        if not (place / name).is_file() or (place / name).read_bytes() != text.encode():
            (place / name).write_bytes(text.encode())
    settings = environment or {}
    hidden = {name: None for name in os.environ if name.startswith("NETPOL_")}
    before = Path.cwd()
    os.chdir(place)
    try:
        with confined(place.parent.parent):
            result = CliRunner().invoke(
                main, words, prog_name="netpol", input=stdin, env={**hidden, **settings}
            )
    finally:
        os.chdir(before)
    shown = (words, settings, result.exit_code, result.stderr[-2000:])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(shown) from result.exception
    assert "this is a bug" not in result.stderr, shown
    assert "Traceback" not in result.stderr, shown
    assert result.exit_code in DOCUMENTED, shown
    assert not list(place.glob(".*.tmp")), shown
    for name in _read_by(words):
        assert (place / name).read_bytes() == _INPUTS[name].encode(), (name, *shown)
    _clear(place)
    return result


def _read_by(words: list[str]) -> set[str]:
    """Return the files that a command line reads for certain, so that it may not replace them."""
    least = _LEAST.get(words[0], [])
    return {*least} & {*_INPUTS} if least and words[1 : len(least) + 1] == least else set()


def _clear(place: Path) -> None:
    for path in place.iterdir():
        if path.name not in _INPUTS and path.is_file():
            path.unlink()


def seeds() -> list[bytes]:
    """Return each command as it is mostly run, and each of its options with some value."""
    return list(_seeds())


def _seeds() -> Iterator[bytes]:
    for number, name in enumerate(COMMANDS):
        yield bytes([number, 1])
        yield bytes([number, 0])
        for option in range(len(_options(name))):
            yield bytes([number, 1, 2, option * 7 % len(_HOSTILE), option])
