"""A page, a form, a stream, an upload, and a view that raises."""

import hashlib
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from guestbook.models import Entry


def index(request: HttpRequest) -> HttpResponse:
    """Show the book; a POST writes into it."""
    if request.method == "POST":
        Entry.objects.create(author=request.POST["author"], text=request.POST["text"])
        return redirect("index")
    return render(request, "guestbook/index.html", {"entries": Entry.objects.all()})


def export(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the whole book, oldest entry first."""

    def lines() -> Iterator[str]:
        for entry in Entry.objects.order_by("pk").iterator():
            yield f"{entry.author},{entry.text}\n"

    return StreamingHttpResponse(lines(), content_type="text/csv")


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """Take a file, in memory or spooled to disk as Django decides, and say what came."""
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest.hexdigest()})


def broken(request: HttpRequest) -> HttpResponse:
    """Raise."""
    raise RuntimeError("raised by the Django view")
