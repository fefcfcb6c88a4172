"""Takes what a command line asks to be written, opens all of it before anything is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netpol.cli import steps
from netpol.cli.reading import Inputs, inputs_of
from netpol.cli.report import ReportFile, report_file

if TYPE_CHECKING:
    from netpol.questions.replay.replay import RecordWriter
    from netpol.report.records.files import OutputSink
    from netpol.report.words.formats import CsvCells

__all__ = ["Request", "Written", "opened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Inputs):
    """What commands that judge flows have in common."""

    output: str
    output_file: str | None
    csv_cells: CsvCells = "safe"
    report: str | None
    fail_on: tuple[str, ...]


class Written(NamedTuple):
    """What is being written: the output, the page, and the output's writer if it is records."""

    sink: OutputSink
    report: ReportFile | None
    records: Sequence[RecordWriter]


@contextlib.contextmanager
def opened(
    request: Request, inputs: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Written]:
    """Open the output and the page, so that a bad one is found before the work.

    Parameters
    ----------
    request : Request
        What is asked for.
    inputs : mapping, optional
        The paths of each role, if they are not what ``inputs_of`` says.
    """
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(steps.opened_output(request.output_file))
        named = inputs or inputs_of(request)
        report = stack.enter_context(report_file(request.report, named, request.exclude))
        records: list[RecordWriter] = []
        if request.output in steps.RECORDS:
            from netpol.report.records.records import record_writer

            records.append(
                stack.enter_context(record_writer(request.output, sink, request.csv_cells))
            )
        yield Written(sink, report, records)
