"""A Flask application that answers with JSON."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request

application = Flask(__name__)


@application.get("/")
def hello() -> Response:
    """Say hello to whom the query names."""
    return jsonify(message="Hello, world!", to=request.args.get("to", "everybody"), languages=["en", "de", "fr"])
