from pathlib import Path

from flask import Flask

COUNT = Path("/data/count")
app = Flask(__name__)


@app.get("/")
def visit() -> dict[str, int]:
    COUNT.parent.mkdir(exist_ok=True)
    count = int(COUNT.read_text() or 0) + 1 if COUNT.exists() else 1
    COUNT.write_text(f"{count}\n")
    return {"count": count}
