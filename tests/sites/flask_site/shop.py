"""A Flask application: sessions, a streamed response that uses the request, a file upload."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, redirect, request, session, stream_with_context, url_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response as BaseResponse


def create_app() -> Flask:
    """Make the application."""
    app = Flask(__name__)
    app.secret_key = "not a secret: a test site"  # it isn't one

    @app.get("/")
    def index() -> str:
        return f"<h1>Basket</h1><p>{', '.join(session.get('basket', [])) or 'empty'}</p>"

    @app.post("/basket")
    def add() -> BaseResponse:
        session["basket"] = [*session.get("basket", []), request.form["item"]]
        return redirect(url_for("index"))

    @app.get("/receipt")
    def receipt() -> Response:
        def lines() -> Iterator[str]:
            for number, item in enumerate(session.get("basket", []), 1):
                yield f"{number} {item} for {request.args['name']}\n"

        return Response(stream_with_context(lines()), mimetype="text/plain")

    @app.post("/upload")
    def upload() -> Response:
        file = request.files["file"]
        data = file.read()
        return jsonify(name=file.filename, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("raised by the Flask view")

    return app


app = create_app()
