import os

app = "mysite.wsgi:application"
bind = os.environ["NO_SUCH_VARIABLE"]
