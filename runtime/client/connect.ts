// From options to a client that is connected: everything checked in the order in which a person would want to hear of it.
// The rule to remember: what is wrong with trust or identity is wrong without a network, so it is said before one is opened.
import { FRAME_BYTES_MAX } from '../../protocols/limits.ts'
import type { Bus } from '../bus/bus.ts'
import { Client } from './client.ts'
import { ConcordatError } from './errors.ts'
import { makeCredentials } from './identity.ts'
import { settingsOf, type ConnectOptions } from './options.ts'
import type { Platform } from './platform.ts'

/** Connects to a service; see ConnectOptions. Rejects with ConcordatError. */
export async function connectOn(platform: Platform, options: ConnectOptions): Promise<Client> {
  const crypto = options.crypto ?? platform.crypto
  const { connectTimeoutMs } = settingsOf(options)
  const credentials = makeCredentials(crypto, options.trust, options.identity)
  const bus = options.bus ?? (await openBus(platform, options, connectTimeoutMs))
  try {
    if (bus.payloadBytesMax < FRAME_BYTES_MAX) {
      const message = `the NATS server carries messages of ${bus.payloadBytesMax} bytes, ${FRAME_BYTES_MAX} are needed: raise its max_payload`
      throw new ConcordatError('ConnectionFailed', message)
    }
    const client = new Client({ crypto, defer: platform.defer }, bus, credentials, options)
    return await client.open().catch(async (error: unknown) => {
      await client.close()
      throw error
    })
  } catch (error) {
    if (options.bus === undefined) await bus.close()
    throw error
  }
}

async function openBus(platform: Platform, { servers, token }: ConnectOptions, timeoutMs: number): Promise<Bus> {
  if (servers === undefined) throw new ConcordatError('InvalidInput', 'connect needs `servers` or a `bus`')
  try {
    return await platform.openBus({ servers, token, timeoutMs })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConcordatError('ConnectionFailed', reason, { cause })
  }
}
