"""The sample app of the course: one page that greets."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    return "Hello from a container!\n"
