#!/usr/bin/env python3
"""Name the CUDA device of this machine and its driver as JSON; exit status 1 without one."""

import ctypes
import json
import sys


def device():
    """Name and driver version of device 0, None without one."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count, version, handle = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None
    if cuda.cuDriverGetVersion(ctypes.byref(version)) or cuda.cuDeviceGet(ctypes.byref(handle), 0):
        return None
    if cuda.cuDeviceGetName(name, 256, handle) or name.value.startswith(b"fakecuda"):
        return None
    return {"device": name.value.decode(), "cuda": version.value}


if __name__ == "__main__":
    found = device()
    if found is None:
        sys.exit(1)
    print(json.dumps(found))
