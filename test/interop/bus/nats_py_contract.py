"""Exercises a NATS server with nats-py, the official Python client, and prints one JSON object of what it saw.

Usage: nats_py_contract.py URL [TOKEN]. Nothing is judged here except that every wait is bounded; the caller compares
what two servers made the client see.
"""

import asyncio
import json
import sys

import nats
from nats import errors

TIMEOUT = 20


async def connect(url, token, **options):
    return await nats.connect(url, token=token, allow_reconnect=False, connect_timeout=TIMEOUT, **options)


async def settle(connection):
    """Afterwards the server has processed everything this connection sent.

    Twice, because nats-py (2.16.0, Client._send_ping) writes PING to the socket at once, ahead of commands that still
    wait for its flusher task: the first PONG only proves that the flusher has run, the second that its bytes arrived.
    """
    for _ in range(2):
        await connection.flush(TIMEOUT)


async def publish_subscribe(a, b):
    subscription = await b.subscribe("py.news")
    await settle(b)
    for payload in (b"one", b"", bytes(range(256))):
        await a.publish("py.news", payload)
    return [(await subscription.next_msg(TIMEOUT)).data.hex() for _ in range(3)]


async def wildcards(a, b):
    subscriptions = {name: await b.subscribe(name) for name in ("py.*", "py.>", "*.b", "py.*.c")}
    await settle(b)
    for subject in ("py.a", "py.b", "py.b.c", "other.b"):
        await a.publish(subject, subject.encode())
    await settle(a)
    await settle(b)
    seen = {}
    for name, subscription in subscriptions.items():
        seen[name] = [(await subscription.next_msg(TIMEOUT)).subject for _ in range(subscription.pending_msgs)]
    return seen


async def queue_group(a, b):
    members = [await connection.subscribe("py.work", queue="q") for connection in (a, b, b)]
    everything = await b.subscribe("py.work")
    await settle(a)
    await settle(b)
    for i in range(100):
        await a.publish("py.work", str(i).encode())
    for connection in (a, b, a):
        await settle(connection)
    shared = []
    shares = []
    for member in members:
        shares.append(member.pending_msgs > 0)
        shared += [int((await member.next_msg(TIMEOUT)).data) for _ in range(member.pending_msgs)]
    return {
        "together": sorted(shared) == list(range(100)),
        "everyMemberHadWork": all(shares),
        "plain": everything.pending_msgs,
    }


async def request_reply(a, b):
    async def answer(message):
        await message.respond(message.data[::-1])

    await b.subscribe("py.reverse", cb=answer)
    await settle(b)
    answers = await asyncio.gather(*[a.request("py.reverse", f"<{i}>".encode(), timeout=TIMEOUT) for i in range(50)])
    return [answer.data.decode() for answer in answers]


async def headers(a, b):
    subscription = await b.subscribe("py.headers")
    await settle(b)
    await a.publish("py.headers", b"body", headers={"Colour": "red", "Size": "12"})
    await a.publish("py.headers", b"", headers={"Only": "headers"})
    messages = [await subscription.next_msg(TIMEOUT) for _ in range(2)]
    return [[message.data.decode(), dict(message.headers)] for message in messages]


async def no_responders(a, _b):
    try:
        await a.request("py.nobody", b"?", timeout=TIMEOUT)
    except errors.NoRespondersError:
        return "NoRespondersError"
    return "an answer"


async def max_payload(a, b):
    subscription = await b.subscribe("py.large")
    await settle(b)
    try:
        await a.publish("py.large", bytes(a.max_payload + 1))
        refused = False
    except errors.MaxPayloadError:
        refused = True
    await a.publish("py.large", bytes(a.max_payload))
    message = await subscription.next_msg(TIMEOUT)
    return {"max": a.max_payload, "refused": refused, "received": len(message.data)}


async def max_messages(a, b):
    subscription = await b.subscribe("py.few")
    await subscription.unsubscribe(limit=2)
    await settle(b)
    for i in range(4):
        await a.publish("py.few", str(i).encode())
    await settle(a)
    await settle(b)
    return [(await subscription.next_msg(TIMEOUT)).data.decode() for _ in range(subscription.pending_msgs)]


async def order(a, b):
    seen = []
    done = asyncio.Event()

    async def note(message):
        seen.append(int(message.data))
        if len(seen) == 10_000:
            done.set()

    await b.subscribe("py.order", cb=note)
    await settle(b)
    for i in range(10_000):
        await a.publish("py.order", str(i).encode())
    await asyncio.wait_for(done.wait(), TIMEOUT)
    return seen == list(range(10_000))


async def wrong_token(url):
    async def quiet(_error):
        pass

    try:
        connection = await connect(url, "wrong", error_cb=quiet)
    except errors.AuthorizationError:
        return "AuthorizationError"
    except errors.Error as error:
        return f"{type(error).__name__}: {error}"
    await connection.close()
    return "connected"


SCENES = [
    publish_subscribe,
    wildcards,
    queue_group,
    request_reply,
    headers,
    no_responders,
    max_payload,
    max_messages,
    order,
]


async def main(url, token):
    result = {}
    for scene in SCENES:
        a = await connect(url, token)
        b = await connect(url, token)
        result[scene.__name__] = await scene(a, b)
        await a.drain()
        await b.close()
    if token is not None:
        result["wrong_token"] = await wrong_token(url)
    print(json.dumps(result))


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
