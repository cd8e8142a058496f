def config():
    return ["app"]
