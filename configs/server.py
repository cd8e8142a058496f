"""The same settings as in TOML, where some have to be computed. Names with an underscore are this file's own.

`workerhub -c server.py`
"""

import os

_cpus = len(os.sched_getaffinity(0))

app = "workerhub.welcome:application"
bind = [f"127.0.0.1:{os.environ.get('PORT', '8000')}"]

worker = {"class": "sync", "processes": min(2 * _cpus + 1, 8)}
timeouts = {"request": "30s", "graceful": "20s"}
log = {"access": "off" if os.environ.get("QUIET") else "-"}
