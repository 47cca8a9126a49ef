// The program of a load-making process: a Concordat client, or a NATS echo requester or responder. Told what to do, and answering, over IPC.
import { connect as connectNats, type NatsConnection } from 'nats'
import { connect, ConcordatError, type Client } from '../client/index.ts'
import { runLoad, type LoadResult, type Operation } from './load.ts'

export type BenchTask =
  | { readonly type: 'echoServer'; readonly servers: string }
  | {
      readonly type: 'echo'
      readonly servers: string
      readonly noAsyncTraces: boolean
      readonly inFlight: number
      readonly valueBytes: number
      readonly warmUpMs: number
      readonly measureMs: number
    }
  | {
      readonly type: 'requests'
      readonly servers: string
      readonly service: string
      readonly trust: string
      readonly identity: { readonly certificatePem: string; readonly privateKeyPkcs8: Uint8Array }
      readonly kind: 'write' | 'read'
      readonly inFlight: number
      readonly valueBytes: number
      readonly warmUpMs: number
      readonly measureMs: number
    }

export type BenchReport =
  | { readonly type: 'ready' }
  | { readonly type: 'phase'; readonly phase: 'begin' | 'end' }
  | { readonly type: 'result'; readonly result: LoadResult }
  | { readonly type: 'failed'; readonly reason: string }

const ECHO_SUBJECT = 'bench.echo'
/** Distinct keys written and read: enough to be no toy, few enough to be warm. */
const KEYS = 10_000

const tell = (report: BenchReport): void => {
  process.send?.(report)
}

async function echoServer(servers: string): Promise<void> {
  const connection = await connectNats({ servers })
  connection.subscribe(ECHO_SUBJECT, { callback: (_, message) => void message.respond(message.data) })
  await connection.flush()
  tell({ type: 'ready' })
}

function echoOperation(connection: NatsConnection, payload: Uint8Array): Operation {
  return (_, done) => {
    const finish = (failed: boolean): void => done({ failed, responseAt: performance.now(), committedAt: undefined })
    connection.request(ECHO_SUBJECT, payload, { timeout: 10_000 }).then(
      () => finish(false),
      () => finish(true),
    )
  }
}

function requestOperation(client: Client, kind: 'write' | 'read', body: Uint8Array): Operation {
  return (index, done) => {
    const target = `${kind === 'write' ? 'POST' : 'GET'} /log/private/raw/${index % KEYS}`
    client.send(target, kind === 'write' ? body : undefined, (outcome) => {
      const responseAt = performance.now()
      if (outcome instanceof ConcordatError || !outcome.ok)
        return done({ failed: true, responseAt, committedAt: undefined })
      if (kind === 'read' || outcome.transaction === undefined)
        return done({ failed: false, responseAt, committedAt: undefined })
      client.onCommitted(outcome.transaction, (error) =>
        done({ failed: error !== undefined, responseAt, committedAt: performance.now() }),
      )
    })
  }
}

/** Every key is there before reads are timed. */
async function fill(client: Client, body: Uint8Array): Promise<void> {
  for (let from = 0; from < KEYS; from += 500) {
    const writes = Array.from({ length: 500 }, (_, i) =>
      client.request(`POST /log/private/raw/${from + i}`, body, { wait: 'committed' }),
    )
    await Promise.all(writes)
  }
}

async function run(task: BenchTask): Promise<void> {
  if (task.type === 'echoServer') return echoServer(task.servers)
  const payload = new Uint8Array(task.valueBytes).fill(0x61)
  const options = { ...task, onPhase: (phase: 'begin' | 'end') => tell({ type: 'phase', phase }) }
  if (task.type === 'echo') {
    const connection = await connectNats({ servers: task.servers, noAsyncTraces: task.noAsyncTraces })
    tell({ type: 'result', result: await runLoad(echoOperation(connection, payload), options) })
    await connection.close()
    return
  }
  const { servers, service, trust, identity, kind } = task
  const client = await connect({ servers, service, trust, identity, requestTimeoutMs: 30_000 })
  if (kind === 'read') await fill(client, payload)
  tell({ type: 'result', result: await runLoad(requestOperation(client, kind, payload), options) })
  await client.close()
}

/** Does the one task it is sent; then waits to be killed. */
export function runBenchProcess(): void {
  process.on('disconnect', () => process.exit(0))
  process.on('message', (task) => {
    run(task as BenchTask).catch((error: unknown) => {
      tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) })
    })
  })
}
