import multiprocessing

wsgi_app = "mysite.wsgi:application"
workers = multiprocessing.cpu_count() * 2 + 1
worker_class = "gevent"
keepalive = 5
max_requests = 1000
