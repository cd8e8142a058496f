app = "mysite.wsgi:application"
timeouts = {
    "boot": "early",
    "graceful": "gently",
}
