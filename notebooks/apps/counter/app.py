"""Counts the visits to one page and keeps the count in a file."""

from pathlib import Path

from flask import Flask

COUNT = Path("/data/count")
app = Flask(__name__)


@app.get("/")
def visit() -> dict[str, int]:
    COUNT.parent.mkdir(exist_ok=True)
    before = COUNT.read_text() if COUNT.exists() else ""
    count = int(before or 0) + 1
    COUNT.write_text(f"{count}\n")
    return {"count": count}
