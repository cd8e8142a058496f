"""The URLs of the guest book."""

from django.urls import path

from guestbook import views

urlpatterns = [
    path("", views.index, name="index"),
    path("export/", views.export, name="export"),
    path("upload/", views.upload, name="upload"),
    path("broken/", views.broken, name="broken"),
]
