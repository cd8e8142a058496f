app = "mysite.wsgi:application"
bind = [":8000"
worker = {"class": "sync"}
