"""The shipped client and its requests, under the names by which our tests know them."""

from workerhub.testing.client import RESET_ON_CLOSE, Client, get, post

RawClient = Client

__all__ = ["RESET_ON_CLOSE", "RawClient", "get", "post"]
