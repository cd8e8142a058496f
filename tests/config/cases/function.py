def config():
    tree = {"app": "mysite.wsgi:application"}
    tree["timeots"] = {"boot": "1m"}
    return tree
