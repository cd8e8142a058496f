"""The app."""

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    """A guest book."""

    name = "guestbook"
