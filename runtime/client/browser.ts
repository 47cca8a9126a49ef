// `concordat/client` for browsers: portable cryptography and NATS over WebSockets. Nothing of Node is imported from here.
import { nobleCrypto } from '../../protocols/crypto/noble.ts'
import type { Client } from './client.ts'
import { connectOn } from './connect.ts'
import type { ConnectOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { coseReceiptVerifier, receiptVerifier } from './receipts.ts'
import { connectWeb } from './web-bus.ts'

export * from './exports.ts'

// Timers of browsers wait for milliseconds when nested; messages do not.
const channel = new MessageChannel()
const tasks: (() => void)[] = []
channel.port1.onmessage = () => tasks.shift()?.()

const platform: Platform = {
  crypto: nobleCrypto,
  defer: (task) => {
    tasks.push(task)
    channel.port2.postMessage(0)
  },
  openBus: connectWeb,
}

/** Opens a session with a service; see ConnectOptions. Rejects with ConcordatError. */
export const connect = (options: ConnectOptions): Promise<Client> => connectOn(platform, options)

export const verifyReceipt = receiptVerifier(nobleCrypto)

export const verifyCoseReceipt = coseReceiptVerifier(nobleCrypto)
