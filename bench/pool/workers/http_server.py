"""HTTP/1.1 on a Unix socket: uvicorn with httptools and uvloop, and nothing above ASGI."""

import asyncio
import sys

import uvicorn
import work

FUNCTIONS = {"/echo": work.echo, "/add": work.add}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = [], True
    while more:
        part = await receive()
        body.append(part.get("body", b""))
        more = part.get("more_body", False)
    data = FUNCTIONS[scope["path"]](b"".join(body))
    length = str(len(data)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": data})


async def main(path):
    config = uvicorn.Config(
        app,
        uds=path,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_level="warning",
        timeout_keep_alive=3600,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
