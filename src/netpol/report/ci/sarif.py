"""Takes findings, gives SARIF 2.1.0: what GitHub code scanning and other dashboards read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from netpol.report.ci.heading import Heading
from netpol.report.ci.paths import uri
from netpol.report.json.document import written
from netpol.report.words.annotations import Annotation
from netpol.report.words.safe import escape_controls

__all__ = ["FINGERPRINT", "render"]

#: The name of our fingerprint; its number is raised when what it is made of changes.
FINGERPRINT = "netpolFinding/v1"

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(annotations: Sequence[Annotation], heading: Heading) -> str:
    """Return one run of one tool, a result for each finding."""
    firsts: dict[str, Annotation] = {}
    for each in annotations:
        firsts.setdefault(each.code, each)
    numbers = {code: index for index, code in enumerate(firsts)}
    seen: Counter[str] = Counter()
    results = [_result(each, numbers[each.code], seen) for each in annotations]
    driver = {
        "name": "netpol",
        "rules": [_rule(each, heading) for each in firsts.values()],
    }
    if heading.version:
        driver["version"] = heading.version
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"netpol/{heading.command}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            "%SRCROOT%": {"description": {"text": "The root of the repository."}}
        },
        "results": results,
        "properties": {"counts": list(heading.counts)},
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return written(document).decode()


def _rule(first: Annotation, heading: Heading) -> dict[str, Any]:
    """Describe a code; ``first`` is the gravest finding that has it."""
    words = first.code.replace("-", " ")
    meaning = _shown(heading.help.get(first.code, words))
    name = "".join(word.capitalize() for word in first.code.split("-"))
    about = {"text": f"{meaning} ({first.code}, netpol {heading.command})"}
    page = heading.pages.get(first.code)
    if page is not None:
        about = {"text": f"{about['text']}\n\n{_unmarked(page)}", "markdown": page}
    return {
        "id": first.code,
        "name": name,
        "shortDescription": {"text": words},
        "fullDescription": {"text": meaning},
        "help": about,
        "defaultConfiguration": {"level": first.level},
    }


def _unmarked(page: str) -> str:
    """Return Markdown as plain text, as those who cannot show it ask for."""
    return page.replace("```yaml\n", "").replace("```\n", "").replace("`", "")


def _result(annotation: Annotation, rule: int, seen: Counter[str]) -> dict[str, Any]:
    # Findings that nothing tells apart are numbered: equal fingerprints would be one alert.
    seen[annotation.fingerprint] += 1
    result: dict[str, Any] = {
        "ruleId": annotation.code,
        "ruleIndex": rule,
        "level": annotation.level,
        "message": {"text": _shown(annotation.message)},
        "partialFingerprints": {
            FINGERPRINT: f"{annotation.fingerprint}:{seen[annotation.fingerprint]}"
        },
        "locations": [{"physicalLocation": _place(annotation.file, annotation.line)}],
    }
    if annotation.flows is not None:
        result["properties"] = {"flows": annotation.flows}
    return result


def _place(file: str | None, line: int | None) -> dict[str, Any]:
    """Return a place; what is no file's fault is the repository's, as code scanning needs one."""
    if file is None or file.startswith("<"):
        file, line = ".", None
    artifact = {"uri": uri(file)}
    if not file.startswith("/"):
        artifact["uriBaseId"] = "%SRCROOT%"
    place: dict[str, Any] = {"artifactLocation": artifact}
    if line:  # lines count from 1
        place["region"] = {"startLine": line}
    return place


def _shown(text: str) -> str:
    return "\n".join(escape_controls(line) for line in text.split("\n"))
