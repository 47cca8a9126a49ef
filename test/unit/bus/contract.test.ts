// Goal: the in-process bus, the NATS client on the embedded broker and on a real nats-server behave alike.
import { createInProcessBusHub } from '../../../runtime/bus/in-process.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { connectNats } from '../../../runtime/bus/nats.ts'
import { startEmbeddedServer } from '../../support/embedded-broker.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import type { TestServer } from '../../support/nats-server.ts'
import { busContract } from './contract.ts'
import type { BusWorld } from './contract.ts'

busContract('in-process', () => {
  const defects: ((error: unknown) => void)[] = []
  const hub = createInProcessBusHub({ onDefect: (error) => defects.forEach((listener) => listener(error)) })
  const connections: Bus[] = []
  return Promise.resolve({
    connect: (options) => {
      if (options?.onDefect !== undefined) defects.push(options.onDefect)
      const bus = hub.connect()
      connections.push(bus)
      return Promise.resolve(bus)
    },
    interrupt: () => Promise.resolve(hub.interrupt()),
    restore: () => Promise.resolve(hub.restore()),
    close: async () => {
      for (const bus of connections) await bus.close()
    },
  })
})

busContract('nats client on the embedded broker', () => serverWorld(startEmbeddedServer))
busContract('nats client on nats-server', () => serverWorld(startNatsServer))

async function serverWorld(startServer: () => Promise<TestServer>): Promise<BusWorld> {
  const server = await startServer()
  const connections: Bus[] = []
  return {
    connect: async (options) => {
      const bus = await connectNats({ servers: server.url, name: 'contract', reconnectTimeWaitMs: 20, ...options })
      connections.push(bus)
      return bus
    },
    interrupt: () => server.stop(),
    restore: () => server.start(),
    close: async () => {
      for (const bus of connections) await bus.close()
      await server.stop()
    },
  }
}
