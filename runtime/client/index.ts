// `concordat/client` for Node: node:crypto and NATS over TCP.
//   const client = await connect({ servers: 'nats://127.0.0.1:4222', service: 'concordat', trust: serviceCertificatePem, identity })
//   const response = await client.request('POST /statements', { subject: 'left-pad' }, { wait: 'committed' })
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { connectNats } from '../bus/nats.ts'
import type { Client } from './client.ts'
import { connectOn } from './connect.ts'
import type { ConnectOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { coseReceiptVerifier, receiptVerifier } from './receipts.ts'

export * from './exports.ts'

const platform: Platform = {
  crypto: nativeCrypto,
  defer: (task) => void setImmediate(task),
  openBus: ({ servers, token, timeoutMs }) =>
    connectNats({
      servers,
      name: 'concordat client',
      waitOnFirstConnectMs: timeoutMs,
      ...(token === undefined ? {} : { token }),
    }),
}

/** Opens a session with a service; see ConnectOptions. Rejects with ConcordatError. */
export const connect = (options: ConnectOptions): Promise<Client> => connectOn(platform, options)

export const verifyReceipt = receiptVerifier(nativeCrypto)

export const verifyCoseReceipt = coseReceiptVerifier(nativeCrypto)
