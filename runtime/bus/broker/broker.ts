// The embedded broker: a small NATS server inside the process, for `npm start` without anything installed and for tests.
// Core NATS for one server and one account: no JetStream, no clustering, no TLS, no $SYS. Production uses nats-server.
// The rule to remember: a client in any language must not be able to tell it from nats-server by what it does.
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { WebSocketServer } from 'ws'
import { NATS_PAYLOAD_BYTES_MAX } from '../../../protocols/limits.ts'
import { Connection } from './connection.ts'
import { newServerId } from './greeting.ts'
import { Router } from './router.ts'
import type { BrokerLimits } from './limits.ts'
import type { BrokerEvent, BrokerStats, TappedMessage } from './router.ts'
import { tcpTransport, webSocketTransport } from './transport.ts'
import type { Transport } from './transport.ts'

export type { BrokerEvent, BrokerStats, TappedMessage } from './router.ts'

export interface BrokerOptions {
  /** Address to listen on; default 127.0.0.1, so that nothing is exposed unasked. */
  readonly host?: string
  /** TCP port; 0 (the default) lets the operating system choose. */
  readonly port?: number
  /** Required of every client as `auth_token`. */
  readonly token?: string
  /** Also listen for WebSockets here (0: any free port). */
  readonly webSocketPort?: number
  readonly onEvent?: (event: BrokerEvent) => void
  readonly payloadBytesMax?: number
  readonly controlLineBytesMax?: number
  readonly connectionsMax?: number
  /** Per connection. */
  readonly subscriptionsMax?: number
  /** Bytes owed to one client before it is cut off as a slow consumer; default 64 MiB. */
  readonly pendingBytesMax?: number
  /** A client silent for two intervals and the pings in them is stale; default 30 s. */
  readonly pingIntervalMs?: number
  /** Time to send the token; default 2 s. */
  readonly authTimeoutMs?: number
}

export interface Broker {
  /** `nats://host:port` */
  readonly url: string
  readonly port: number
  /** `ws://host:port`, if a WebSocket listener was asked for. */
  readonly webSocketUrl: string | undefined
  stats(): BrokerStats
  /** Shows every message published from now on, in order; returns how to stop. Copies each message: not for production. */
  tap(listener: (message: TappedMessage) => void): () => void
  /** Ends every connection and stops listening; the port is free afterwards. */
  close(): Promise<void>
}

/** Frames of a WebSocket hold many operations; nats.js sends what gathered while it reconnected in one. */
const WEB_SOCKET_FRAME_BYTES_MAX = 16 * 1024 * 1024
const PING_INTERVAL_MS = 30_000

function limitsOf(options: BrokerOptions): BrokerLimits {
  return {
    controlLineBytesMax: options.controlLineBytesMax ?? 4096,
    payloadBytesMax: options.payloadBytesMax ?? NATS_PAYLOAD_BYTES_MAX,
    token: options.token,
    authTimeoutMs: options.authTimeoutMs ?? 2000,
    connectionsMax: options.connectionsMax ?? 10_000,
    subscriptionsMax: options.subscriptionsMax ?? 100_000,
    pendingBytesMax: options.pendingBytesMax ?? 64 * 1024 * 1024,
  }
}

/** Starts a broker. Rejects if a port cannot be had. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const host = options.host ?? '127.0.0.1'
  const limits = limitsOf(options)
  const facts = {
    serverId: newServerId(),
    host,
    port: options.port ?? 0,
    payloadBytesMax: limits.payloadBytesMax,
    isAuthRequired: limits.token !== undefined,
  }
  const router = new Router(limits, facts, options.onEvent ?? (() => {}))
  let clients = 0
  const admit = (transport: Transport): void => router.admit(new Connection(++clients, router, transport))

  const server = createServer({ noDelay: true }, (socket) => admit(tcpTransport(socket)))
  const port = await listenTcp(server, host, options.port ?? 0)
  router.facts = { ...facts, port }
  server.on('error', (error) => router.listenerFailed(error))

  let webSockets: WebSocketServer | undefined
  if (options.webSocketPort !== undefined) {
    try {
      webSockets = await listenWebSocket(host, options.webSocketPort, admit)
    } catch (error) {
      server.close()
      throw error
    }
    webSockets.on('error', (error) => router.listenerFailed(error))
  }

  const pinger = setInterval(() => {
    for (const connection of router.connections) connection.checkAlive()
  }, options.pingIntervalMs ?? PING_INTERVAL_MS)
  pinger.unref()

  let closing: Promise<void> | undefined
  return {
    url: `nats://${host}:${port}`,
    port,
    webSocketUrl: webSockets === undefined ? undefined : `ws://${host}:${portOf(webSockets.address())}`,
    stats: () => router.stats(),
    tap(listener) {
      router.taps.add(listener)
      return () => void router.taps.delete(listener)
    },
    close: () => (closing ??= shutDown(router, server, webSockets, pinger)),
  }
}

const portOf = (address: string | AddressInfo | null): number =>
  address !== null && typeof address === 'object' ? address.port : 0

function listenTcp(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 511 }, () => {
      server.removeListener('error', reject)
      resolve(portOf(server.address()))
    })
  })
}

function listenWebSocket(host: string, port: number, admit: (t: Transport) => void): Promise<WebSocketServer> {
  return new Promise((resolve, reject) => {
    const server = new WebSocketServer({
      host,
      port,
      perMessageDeflate: false,
      maxPayload: WEB_SOCKET_FRAME_BYTES_MAX,
    })
    server.on('connection', (socket, request) => admit(webSocketTransport(socket, request.socket.remoteAddress ?? '')))
    server.once('error', reject)
    server.once('listening', () => {
      server.removeListener('error', reject)
      resolve(server)
    })
  })
}

async function shutDown(
  router: Router,
  server: Server,
  webSockets: WebSocketServer | undefined,
  pinger: NodeJS.Timeout,
): Promise<void> {
  clearInterval(pinger)
  const listenersClosed = [
    new Promise<void>((resolve) => server.close(() => resolve())),
    new Promise<void>((resolve) => (webSockets === undefined ? resolve() : webSockets.close(() => resolve()))),
  ]
  for (const connection of [...router.connections]) connection.close('shutdown')
  await Promise.all(listenersClosed)
}
