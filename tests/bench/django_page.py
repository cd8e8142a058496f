"""A Django page: the middleware that a new project has, a view, a template with a list. No query, which would be most of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAGE = """\
<!doctype html>
<title>{{ title }}</title>
<table>{% for row in rows %}<tr><td>{{ forloop.counter }}</td><td>{{ row }}</td></tr>{% endfor %}</table>
"""


def page(request: HttpRequest) -> HttpResponse:
    """Ten rows."""
    return render(request, "page.html", {"title": "<Ten rows>", "rows": [f"row {number}" for number in range(10)]})


urlpatterns = [path("", page)]

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="of no use to anybody, as nothing is signed with it",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})]},
        }
    ],
)

application = get_wsgi_application()
