"""From verdicts, tables and figures to pages, files and a paper."""
