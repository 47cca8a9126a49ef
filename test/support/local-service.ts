// A whole service for end-to-end tests: a fresh bundle, real node processes, a temporary directory, and everything stopped at the end.
// Nothing is mocked. The rule to remember: tests wait with `until` (a condition and a deadline), never for a length of time.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NodeId } from '../../protocols/ids.ts'
import { connect, type Client, type ConnectOptions } from '../../runtime/client/index.ts'
import { LocalService, type LocalNode, type LocalServiceOptions } from '../../runtime/local-service.ts'
import { askRpc } from '../../runtime/rpc-request.ts'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** Short, so that failures are noticed soon; long enough for a busy machine. */
export const TEST_TIMING = { messageTimeoutMs: 50, electionTimeoutMs: 400, forwardingTimeoutMs: 1500 }

// Nodes inherit it: every invariant of every actor is asserted after every step.
process.env['CONCORDAT_CHECK'] = '1'

/** The bundled program, made from the sources as they are now. */
export async function program(): Promise<string> {
  const url = new URL('../../runtime/cli/bundle.mjs', import.meta.url).href
  const { upToDateBundle } = (await import(url)) as { upToDateBundle(root: string): Promise<string> }
  return upToDateBundle(ROOT)
}

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'concordat-e2e-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export type TestServiceOptions = Partial<Omit<LocalServiceOptions, 'program'>>

export interface TestService {
  readonly service: LocalService
  /** What nodes said on stderr; crash reports are found here. */
  readonly notices: readonly string[]
  /** Stops the service; its files stay until `dispose`. */
  stop(): Promise<void>
  dispose(): Promise<void>
}

export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const directory = temporaryDirectory()
  const notices: string[] = []
  try {
    const service = await LocalService.start({
      program: await program(),
      directory: join(directory.path, 'data'),
      nodes: 3,
      service: 'test',
      timing: TEST_TIMING,
      onNotice: (notice) => notices.push(notice),
      ...options,
    })
    let stopping: Promise<void> | undefined
    const stop = (): Promise<void> => (stopping ??= service.stop())
    return {
      service,
      notices,
      stop,
      dispose: async () => {
        await stop()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw new Error(`the service did not start; its nodes said: ${notices.join('\n') || 'nothing'}`, { cause: error })
  }
}

export async function withService<T>(
  options: TestServiceOptions,
  run: (service: LocalService, test: TestService) => Promise<T>,
): Promise<T> {
  const test = await startTestService(options)
  try {
    return await run(test.service, test)
  } finally {
    await test.dispose()
  }
}

/** A client with the service's user as its identity; `identity: undefined` for an anonymous one. */
export function connectClient(service: LocalService, options: Partial<ConnectOptions> = {}): Promise<Client> {
  return connect({
    ...(options.bus === undefined ? { servers: service.servers } : {}),
    service: service.service,
    trust: service.serviceCertificatePem,
    pingAfterMs: 150,
    ...('identity' in options ? {} : { identity: service.user }),
    ...(service.token === undefined ? {} : { token: service.token }),
    ...options,
  })
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Polls until `check` gives something other than undefined and false. Rejects after `deadlineMs`, naming what did not happen. */
export async function until<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const found = await check()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await pause(10)
  }
}

export interface NetworkFacts {
  readonly primary: NodeId
  readonly view: number
}

/** The primary that answering nodes name, once it will do. */
export const untilPrimary = (
  service: LocalService,
  willDo: (facts: NetworkFacts) => boolean = () => true,
): Promise<NetworkFacts> =>
  until('a primary', async () => {
    const reply = await askRpc(service.bus, service.service, 'GET /node/network', 500)
    if (reply?.status !== 200) return undefined
    const { primary_id: primary, current_view: view } = reply.body as {
      readonly primary_id: NodeId | null
      readonly current_view: number
    }
    return primary !== null && willDo({ primary, view }) ? { primary, view } : undefined
  })

export function nodeOf(service: LocalService, nodeId: NodeId): LocalNode {
  const found = service.nodes.find((node) => node.nodeId === nodeId)
  if (found === undefined) throw new Error(`no node ${nodeId}`)
  return found
}

export const untilExited = (service: LocalService, nodeId: NodeId): Promise<boolean> =>
  until(`end of node ${nodeId.slice(0, 8)}`, () => service.running.every((node) => node.nodeId !== nodeId))
