// A TCP client that sends exact bytes and waits for exact bytes: for testing servers on the wire.
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface RawClient {
  readonly socket: Socket
  send(bytes: string | Uint8Array): void
  /** Resolves with everything received (Latin-1) once it contains `text`; rejects if the connection closes before. */
  until(text: string): Promise<string>
  /** Resolves with everything received once the server has closed the connection. */
  untilClosed(): Promise<string>
  close(): void
}

/** Connects to a port of this machine. */
export function connectRaw(port: number): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let received = ''
    let isClosed = false
    const checks = new Set<() => void>()
    const check = (): void => [...checks].forEach((waiting) => waiting())
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      check()
    })
    // a reset shows as 'close' too; only a failed connect is an error of the test
    socket.once('error', reject)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      isClosed = true
      check()
    })
    const wait = (isDone: () => boolean, orElse: () => boolean): Promise<string> =>
      new Promise((done, fail) => {
        const waiting = (): void => {
          if (isDone()) done(received)
          else if (orElse()) fail(new Error(`connection closed after ${JSON.stringify(received.slice(-500))}`))
          else return
          checks.delete(waiting)
        }
        checks.add(waiting)
        waiting()
      })
    socket.once('connect', () =>
      resolve({
        socket,
        send: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
        until: (text) => {
          let searched = 0
          const isDone = (): boolean => {
            if (received.includes(text, searched)) return true
            searched = Math.max(0, received.length - text.length)
            return false
          }
          return wait(isDone, () => isClosed)
        },
        untilClosed: () =>
          wait(
            () => isClosed,
            () => false,
          ),
        close: () => void socket.destroy(),
      }),
    )
  })
}

/** What came after the INFO line. */
export const afterInfo = (received: string): string => received.slice(received.indexOf('\r\n') + 2)
