"""What guests wrote."""

from django.db import models


class Entry(models.Model):
    """One entry of the book."""

    author = models.CharField(max_length=80)
    text = models.TextField()
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first."""

        ordering = ("-written_at", "-pk")
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.author}: {self.text}"
