helpers = "are fine beside config()"


def config():
    return {
        "app": "mysite.wsgi:application",
        "timeouts": {
            "boot": "1x",
        },
    }
