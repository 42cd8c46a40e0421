"""Count visits in a PostgreSQL database."""

import os

import psycopg
from flask import Flask


def connect() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=10)


try:
    with connect() as db:
        db.execute("CREATE TABLE IF NOT EXISTS visit (at timestamptz DEFAULT now())")
except (KeyError, psycopg.Error) as error:
    raise SystemExit(f"No database: {error}") from None

app = Flask(__name__)


@app.get("/")
def count() -> dict[str, int]:
    with connect() as db:
        db.execute("INSERT INTO visit DEFAULT VALUES")
        (n,) = db.execute("SELECT count(*) FROM visit").fetchone()
    return {"visits": n}
