"""tests/RELIABILITY.md from the figures in tests/reliability/*.json: `reliability_report.py [--check]`.

Each file is one subject: {"subject", "date", "commit", figures...}. A figure is a number, a text, an object of such, or a list
of objects, which becomes a table.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
HEAD = """# Reliability

Written by `tests/reliability_report.py` from what the tests of `tests/full` measured (`tests/reliability/*.json`). Short forms of
the same tests run in `tests/run`. What is promised on their ground: [SECURITY.md](../SECURITY.md).
"""


def words(key: str) -> str:
    return key.replace("_", " ").replace(" mib", " MiB").replace(" kib", " KiB")


def value(x: object) -> str:
    if isinstance(x, dict):
        return ", ".join(f"{words(k)} {value(v)}" for k, v in x.items())
    if isinstance(x, list):
        return ", ".join(value(v) for v in x)
    return f"{x:,}" if isinstance(x, (int, float)) and not isinstance(x, bool) else str(x)


def table(rows: list[dict[str, object]]) -> list[str]:
    keys = list(dict.fromkeys(k for row in rows for k in row))
    lines = ["| " + " | ".join(words(k) for k in keys) + " |", "|" + "---|" * len(keys)]
    return lines + ["| " + " | ".join(value(row.get(k, "")) for k in keys) + " |" for row in rows]


def section(report: dict[str, object]) -> str:
    figures = {k: v for k, v in report.items() if k not in ("subject", "date", "commit")}
    # Figures by name are rows, too.
    for key, x in figures.items():
        if isinstance(x, dict) and x and all(isinstance(row, dict) for row in x.values()):
            figures[key] = [{"name": name} | row for name, row in x.items()]
    tables = {k: v for k, v in figures.items() if isinstance(v, list) and v and all(isinstance(row, dict) for row in v)}
    lines = [f"## {str(report['subject']).replace('-', ' ').capitalize()}", "", f"{report['date']}, commit {report['commit']}.", ""]
    lines += [f"- {words(k)}: {value(v)}" for k, v in figures.items() if k not in tables]
    for key, rows in tables.items():
        lines += ["", words(key).capitalize() + ":", "", *table(rows)]
    return "\n".join(lines) + "\n"


def main() -> int:
    reports = [json.loads(path.read_text()) for path in sorted((HERE / "reliability").glob("*.json"))]
    text = "\n".join([HEAD, *map(section, reports)])
    path = HERE / "RELIABILITY.md"
    if "--check" in sys.argv:
        if path.exists() and path.read_text() == text:
            return 0
        print("tests/RELIABILITY.md is not what tests/reliability/*.json say: run tests/reliability_report.py", file=sys.stderr)
        return 1
    path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
