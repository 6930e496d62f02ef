"""`chargerctl`: the hands of an electrician with a laptop, a hardware maker and a bench engineer. It asks local
sockets, nothing else.
"""

from chargerd.ctl.asking import bench_socket
from chargerd.ctl.commands import main

__all__ = ["bench_socket", "main"]
