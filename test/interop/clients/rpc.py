"""A foreign client: asks a service's public endpoints in clear with nats-py, and prints the answers as one JSON object.

usage: rpc.py nats://host:port service
Not a client library: sealed sessions are the SDK's; this shows that any NATS client reaches what is public.
"""
import asyncio
import json
import sys

import nats

TIMEOUT_S = 10


async def main(server: str, service: str) -> None:
    connection = await nats.connect(server)

    async def ask(request: str):
        answer = await connection.request(f"ccf.{service}.rpc", request.encode(), timeout=TIMEOUT_S)
        return json.loads(answer.data)

    answers = {
        "network": await ask("GET /node/network"),
        "commit": await ask(json.dumps({"method": "GET", "path": "/app/commit"})),
        "refused": await ask("GET /app/log/private?id=1"),
    }
    await connection.close()
    print(json.dumps(answers))


asyncio.run(main(sys.argv[1], sys.argv[2]))
