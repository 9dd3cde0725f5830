"""Length-prefixed requests on standard input, length-prefixed answers on standard output.

A request is a byte that names the work, its length as four bytes, and the data.
"""

import struct
import sys

import work

FUNCTIONS = (work.echo, work.add)


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(b"ready\n")
    sink.flush()
    while head := source.read(5):
        which, length = struct.unpack("<BI", head)
        data = FUNCTIONS[which](source.read(length))
        sink.write(struct.pack("<I", len(data)))
        sink.write(data)
        sink.flush()


if __name__ == "__main__":
    main()
