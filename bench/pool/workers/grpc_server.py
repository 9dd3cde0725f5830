"""A gRPC server on a Unix socket; bytes go in and out as they are, without protobuf."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import work

LIMIT = 4 << 20


def handler(function):
    return grpc.unary_unary_rpc_method_handler(lambda request, context: function(request))


def main(path):
    options = [("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    methods = {"echo": handler(work.echo), "add": handler(work.add)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Work", methods)])
    server.add_insecure_port(f"unix:{path}")
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop(0)


if __name__ == "__main__":
    main(sys.argv[1])
