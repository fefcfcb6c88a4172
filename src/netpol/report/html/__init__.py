"""Takes sections of plain data, gives one HTML page that needs nothing else.

``sections`` is what a page is made of, ``page`` makes it. The other modules turn what a command
found into sections; ``replay`` shows how little a command has to do for its page::

    with report_file(report, {"flows": flows, "cluster": cluster}) as page:  # netpol.cli.report
        found = ...
        if page is not None:
            page.write("Title", "What was found.", sections(found))
"""
