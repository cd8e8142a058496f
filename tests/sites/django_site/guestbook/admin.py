"""The book in the admin."""

from django.contrib import admin

from guestbook.models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """Entries, with who wrote them."""

    list_display = ("author", "text", "written_at")
