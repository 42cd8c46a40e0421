"""A guest book: it keeps its entries in a PostgreSQL database."""

import logging
import os

import psycopg
from flask import Flask, request

logging.basicConfig(level=logging.INFO)


def connect() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


with connect() as db:
    db.execute("CREATE TABLE IF NOT EXISTS entry (words text)")

app = Flask(__name__)


@app.before_request
def log_request() -> None:
    logging.info("%s %s", request.method, request.full_path)


@app.get("/")
def list_entries() -> dict[str, list[str]]:
    with connect() as db:
        return {"entries": [words for (words,) in db.execute("SELECT words FROM entry")]}


@app.post("/")
def add_entry() -> dict[str, str]:
    words = request.get_data(as_text=True)
    with connect() as db:
        db.execute("INSERT INTO entry VALUES (%s)", [words])
    return {"added": words}
