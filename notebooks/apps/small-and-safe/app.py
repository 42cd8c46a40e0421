"""A small API that answers with a greeting. The key is for another company's service."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> dict[str, object]:
    return {"message": "Hello from a small image!", "has_key": "SHOP_KEY" in os.environ}
