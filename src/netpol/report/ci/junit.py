"""Takes findings, gives JUnit XML: a test case for each finding and for all that had none.

A finding of a level that the command fails for is a failure, any other a passed case that says
what was found, so that the report and the exit code agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from netpol.report.ci.heading import Heading
from netpol.report.words.annotations import Annotation
from netpol.report.words.safe import escape_controls

__all__ = ["render"]


def render(annotations: Sequence[Annotation], heading: Heading) -> str:
    """Return one test suite named after the command."""
    failures = sum(each.level in heading.gated for each in annotations)
    counts = {
        "tests": str(len(annotations) + len(heading.passed)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0",
    }
    name = f"netpol {heading.command}"
    root = ET.Element("testsuites", {"name": name, **counts})
    suite = ET.SubElement(root, "testsuite", {"name": name, **counts})
    for each in annotations:
        _case(suite, each, heading)
    for passed in heading.passed:
        ET.SubElement(suite, "testcase", _names(heading.command, passed))
    if heading.counts:
        ET.SubElement(suite, "system-out").text = _shown(", ".join(heading.counts))
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ET.Element, annotation: Annotation, heading: Heading) -> None:
    subject = " ".join(annotation.identity) or annotation.title
    case = ET.SubElement(suite, "testcase", _names(f"{heading.command}.{annotation.code}", subject))
    place = ""
    if annotation.file is not None:
        case.set("file", _shown(annotation.file))
        place = f"{annotation.file}: "
        if annotation.line is not None:
            case.set("line", str(annotation.line))
            place = f"{annotation.file}:{annotation.line}: "
    more = heading.more(annotation.code)
    body = _shown(f"{place}{annotation.level}: {annotation.message}" + (more and f"\n{more}"))
    if annotation.level in heading.gated:
        about = {"type": annotation.code, "message": _shown(annotation.title)}
        ET.SubElement(case, "failure", about).text = body
    else:
        ET.SubElement(case, "system-out").text = body


def _names(group: str, name: str) -> dict[str, str]:
    return {"classname": f"netpol.{group}", "name": _shown(name)}


def _shown(text: str) -> str:
    """Escape what is hidden, and so all that XML 1.0 cannot hold; line breaks stay."""
    return "\n".join(escape_controls(line) for line in text.split("\n"))
