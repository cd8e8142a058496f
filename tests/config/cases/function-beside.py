bind = ":8000"


def config():
    return {"app": "mysite.wsgi:application"}
