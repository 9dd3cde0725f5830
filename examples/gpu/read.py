"""Reads frames that lie in GPU memory, in place, with the array library that is there.

read.py RING [cupy|torch|numba|jax|goring]
"""

import importlib.util
import sys

import goring


def cupy_mean(frame):
    import cupy

    return float(cupy.asarray(frame).mean())


def torch_mean(frame):
    import torch

    return float(torch.as_tensor(frame, device="cuda").mean())


def numba_mean(frame):
    from numba import cuda

    return float(cuda.as_cuda_array(frame).copy_to_host().mean())


def jax_mean(frame):
    import jax.dlpack

    return float(jax.dlpack.from_dlpack(frame).mean())


def own_mean(frame):
    return float(frame.copy_to_host().mean())


MEANS = {
    "cupy": cupy_mean,
    "torch": torch_mean,
    "numba": numba_mean,
    "jax": jax_mean,
    "goring": own_mean,  # needs no library, and copies
}


def main(name, wanted):
    if not wanted:
        wanted = next(lib for lib in MEANS if importlib.util.find_spec(lib))
    elif not importlib.util.find_spec(wanted):
        print(f"{wanted} is not installed, and needs a GPU: nothing is read with it")
        wanted = "goring"
    mean = MEANS[wanted]
    print(f"reading with {wanted}")
    n = 0
    with goring.open(name) as ring, ring.consumer() as frames:
        for frame in frames:  # a goring.DeviceArray; it goes back when the next one is asked for
            if mean(frame) != n:
                raise SystemExit(f"frame {n} is another one")
            n += 1
    print(f"{n} frames, each as it was written")


main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
