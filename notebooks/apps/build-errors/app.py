"""The sample app of the course: it answers with JSON."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> dict[str, str]:
    return {"message": "Hello from a container!"}


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}
