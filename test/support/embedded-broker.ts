// The embedded broker in the shape of a test server, so that one suite runs on it and on nats-server.
import { startBroker } from '../../runtime/bus/broker/broker.ts'
import type { TestServer, TestServerOptions } from './nats-server.ts'

/** Starts an embedded broker on a port of its own. */
export async function startEmbeddedServer(options: TestServerOptions = {}): Promise<TestServer> {
  let broker = await startBroker(options)
  const { url, port } = broker
  return {
    url,
    port,
    stop: () => broker.close(),
    start: async () => {
      broker = await startBroker({ ...options, port })
    },
  }
}
