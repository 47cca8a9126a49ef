// A byte stream to one client, over TCP or over a WebSocket's binary frames: the same protocol on both.
// No protocol knowledge here. The rule to remember: after `end` or `destroy` nothing is read any more, and `onClose`
// follows exactly once, within LINGER_MS even if the other side says nothing.
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { WriteBuffers } from './outbox.ts'

/** How long a connection may linger after its last bytes (an -ERR, say) were handed over. */
export const LINGER_MS = 1000

export interface Transport {
  readonly address: string
  readonly write: WriteBuffers
  /** Called once, before any data can arrive. */
  start(onData: (chunk: Buffer) => void, onClose: () => void): void
  pause(): void
  resume(): void
  /** Sends what was written, then closes; discards what still arrives. */
  end(): void
  /** Drops the connection and everything not yet sent. */
  destroy(): void
}

export function tcpTransport(socket: Socket): Transport {
  socket.setNoDelay(true)
  const address = socket.remoteAddress ?? ''
  return {
    address,
    write(buffers, done) {
      if (buffers.length === 1) {
        socket.write(buffers[0]!, done)
        return
      }
      socket.cork()
      for (let i = 0; i < buffers.length - 1; i++) socket.write(buffers[i]!)
      socket.write(buffers[buffers.length - 1]!, done)
      socket.uncork()
    },
    start(onData, onClose) {
      socket.on('data', onData)
      // a reset by the peer is an ordinary end: 'close' follows
      socket.on('error', () => socket.destroy())
      socket.on('close', onClose)
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end() {
      // reading on lets the peer receive the last bytes: closing with unread input would reset the connection
      socket.removeAllListeners('data')
      socket.resume()
      socket.end()
      setTimeout(() => socket.destroy(), LINGER_MS).unref()
    },
    destroy: () => void socket.destroy(),
  }
}

export function webSocketTransport(socket: WebSocket, address: string): Transport {
  return {
    address,
    write(buffers, done) {
      const last = buffers.length - 1
      for (let i = 0; i < last; i++) socket.send(buffers[i]!, { binary: true })
      // an error here means the connection is gone: 'close' follows
      socket.send(buffers[last]!, { binary: true }, () => done())
    },
    start(onData, onClose) {
      socket.on('message', (data: Buffer | ArrayBuffer | Buffer[]) => onData(asBuffer(data)))
      socket.on('error', () => socket.terminate())
      socket.on('close', onClose)
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end() {
      socket.removeAllListeners('message')
      socket.resume()
      socket.close()
      setTimeout(() => socket.terminate(), LINGER_MS).unref()
    },
    destroy: () => socket.terminate(),
  }
}

function asBuffer(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
}
