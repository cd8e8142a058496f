import json

app = "mysite.wsgi:application"


def _read():
    return json.loads("{")


bind = _read()
