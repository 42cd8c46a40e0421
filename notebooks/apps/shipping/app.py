"""A small shop: it answers with its prices, and with the total of an order."""

import ctypes
import json
import os
from pathlib import Path

from flask import Flask, abort

VERSION = "1"
PRICES = Path(__file__).with_name("prices.json")

app = Flask(__name__)
library = ctypes.CDLL(Path(__file__).with_name("total.so"))


@app.get("/")
def show_prices() -> dict[str, object]:
    greeting = os.environ.get("GREETING", "Welcome")
    return {"greeting": greeting, "prices": json.loads(PRICES.read_text()), "version": VERSION}


@app.get("/total/<item>/<int:count>")
def calculate_total(item: str, count: int) -> dict[str, int]:
    prices = json.loads(PRICES.read_text())
    return {"cents": library.total(prices[item], count)}


@app.get("/healthz")
def check_health() -> dict[str, str]:
    if not PRICES.exists():
        abort(503)
    return {"status": "ok"}
