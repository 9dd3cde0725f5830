"""A round trip through a freshly installed goring: all that an empty environment must allow."""

import os
import sys

import goring.testing
import numpy as np
from goring.compat.queue import Queue

import goring

name = f"smoke.{os.getpid()}"
sent = np.arange(6, dtype="f4").reshape(2, 3)

with goring.create(name, slots=4, dtype="f4", shape=(2, 3)) as ring:
    try:
        with ring.producer() as writer, goring.open(name) as same, same.consumer() as reader:
            writer.write(sent)
            with reader.read(timeout=5) as message:
                got = np.array(message.array)
    finally:
        goring.unlink(name)

if not (got.dtype == sent.dtype and np.array_equal(got, sent)):
    sys.exit(f"wrote {sent!r}, read {got!r}")
queue = Queue(2)
queue.put(sent)
if not np.array_equal(queue.get(timeout=5), sent) or goring.testing.call(len, b"four") != 4:
    sys.exit("the queue or the worker's call went wrong")
queue.close()
print(f"round trip ok: Python {sys.version.split()[0]}, NumPy {np.__version__}")
