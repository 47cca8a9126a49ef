// Goal: an operator changes the nodes of a live service with `concordat node`, under load: new nodes catch up and hold everything, a removed
// primary stops by itself, nothing committed is lost, and the service that remains is a full one. Nobody but the operator can do it.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { nodeId as asNodeId, type NodeId } from '../../protocols/ids.ts'
import type { Client } from '../../runtime/client/index.ts'
import { checkLedgers } from '../../runtime/demo/ledgers.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { listNodes } from '../../runtime/operator.ts'
import {
  connectClient,
  program,
  until,
  untilExited,
  untilPrimary,
  withService,
  type TestService,
} from '../support/local-service.ts'
import { CLEAR_CODES, Load, missing } from './load.ts'

/** Each runs a dozen programs. */
const TIMEOUT_MS = 120_000

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command line in a process of its own, as a person would run it. */
class Command {
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  readonly ended: Promise<Ran>

  constructor(bundle: string, args: readonly string[]) {
    this.#child = spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()))
    this.ended = new Promise((done) => {
      this.#child.on('close', (code) => done({ code, stdout: this.#stdout, stderr: this.#stderr }))
    })
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  interrupt(): void {
    this.#child.kill('SIGINT')
  }
}

interface Added {
  readonly nodeId: NodeId
  readonly ledgerDirectory: string
  readonly command: Command
}

/** `concordat node …` for one service; `add` runs until its node ends. */
class Operator {
  readonly #bundle: string
  readonly #data: readonly string[]
  readonly added: Added[] = []

  constructor(bundle: string, service: LocalService) {
    this.#bundle = bundle
    this.#data = ['--data', service.directory]
  }

  start(...args: readonly string[]): Command {
    return new Command(this.#bundle, ['node', ...args, ...this.#data])
  }

  run(...args: readonly string[]): Promise<Ran> {
    return this.start(...args).ended
  }

  async add(): Promise<Added> {
    const command = this.start('add', '--json')
    const printed = await until('a node is added', () => {
      if (!command.isRunning) throw new Error(`node add ended: ${command.stderr}`)
      return command.stdout.trimEnd().endsWith('}') && command.stdout
    })
    const { nodeId, ledgerDirectory } = JSON.parse(printed) as {
      readonly nodeId: string
      readonly ledgerDirectory: string
    }
    const added = { nodeId: asNodeId(nodeId), ledgerDirectory, command }
    this.added.push(added)
    return added
  }

  async stop(): Promise<void> {
    for (const { command } of this.added) command.interrupt()
    await Promise.all(this.added.map(({ command }) => command.ended))
  }
}

async function withOperator(run: (service: LocalService, operator: Operator, test: TestService) => Promise<void>) {
  const bundle = await program()
  await withService({}, async (service, test) => {
    const operator = new Operator(bundle, service)
    try {
      await run(service, operator, test)
    } finally {
      await operator.stop()
    }
  })
}

const statuses = async (client: Client): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries((await listNodes(client)).map(({ node_id: id, status }) => [id, status]))

const more = (load: Load, count: number): Promise<true> => {
  const enough = load.committed.length + count
  return until(`${count} more commits`, () => load.committed.length >= enough, 30_000).then(() => true)
}

describe('concordat node', () => {
  it(
    'adds two nodes and removes the primary under load; then a node may die as before',
    () =>
      withOperator(async (service, operator, test) => {
        const clients = await Promise.all([1, 2, 3].map(() => connectClient(service, { requestTimeoutMs: 5000 })))
        const reader = await connectClient(service)
        const load = new Load().start(clients, 8)
        await more(load, 100)

        const dora = await operator.add()
        expect(dora.command.stderr).toContain('Pending')
        const emil = await operator.add()
        await more(load, 100)
        const five = await statuses(reader)
        expect(Object.values(five)).toEqual(Array.from({ length: 5 }, () => 'Trusted'))
        expect(Object.keys(five)).toEqual(expect.arrayContaining([dora.nodeId, emil.nodeId]))

        const { primary } = await untilPrimary(service)
        const ends: string[] = []
        service.onExit(({ nodeId }, why) => ends.push(`${nodeId} ${why}`))
        const removed = await operator.run('remove', primary, '--json')
        expect(removed.stderr).toBe('')
        expect(removed.code).toBe(0)
        expect(JSON.parse(removed.stdout)).toMatchObject({ nodeId: primary })
        // A founding node of this service or an added one: whichever led, it ends by itself.
        if (service.nodes.some(({ nodeId }) => nodeId === primary)) {
          await untilExited(service, primary)
          expect(ends).toEqual([`${primary} exit code 0`])
          expect(test.notices.filter((notice) => !notice.includes('removed from the service'))).toEqual([])
        } else {
          const ended = await operator.added.find(({ nodeId }) => nodeId === primary)!.command.ended
          expect(ended.code).toBe(0)
          expect(ended.stderr).toContain('removed from the service')
        }
        const next = await untilPrimary(service, (now) => now.primary !== primary)
        await more(load, 100)
        expect((await statuses(reader))[primary]).toBe('Retired')

        // Three of the four that are left are a majority, whether one of them led or not.
        const victim = service.running.find(({ nodeId }) => nodeId !== next.primary)!
        service.kill(victim.nodeId)
        await untilExited(service, victim.nodeId)
        await more(load, 100)
        await load.stop()
        expect(load.defects).toEqual([])
        expect(CLEAR_CODES).toEqual(expect.arrayContaining([...load.failures.keys()]))
        expect(await missing(reader, load.committed)).toEqual([])

        await Promise.all([...clients, reader].map((client) => client.close()))
        const living = operator.added.filter(({ command }) => command.isRunning).map((added) => added.ledgerDirectory)
        const survivors = [...service.running.map(({ ledgerDirectory }) => ledgerDirectory), ...living]
        await operator.stop()
        await test.stop()
        expect(survivors).toHaveLength(3)
        const outcomes = checkLedgers(survivors, {
          crypto: nativeCrypto,
          serviceCertificatePem: service.serviceCertificatePem,
          committedSeqno: Math.max(...load.committed.map(({ txId }) => txId.seqno)),
          leaves: new Map(),
        })
        expect(outcomes.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined])
        for (const { ledgerDirectory } of operator.added) {
          const certificate = join(service.directory, 'service_cert.pem')
          const verify = ['ledger', 'verify', ledgerDirectory, '--service-cert', certificate]
          const verified = await new Command(await program(), verify).ended
          expect(verified).toMatchObject({ code: 0, stderr: '' })
        }
      }),
    TIMEOUT_MS,
  )

  it(
    'removes an added node, whose process ends by itself, and says what is the matter with wrong requests',
    () =>
      withOperator(async (service, operator) => {
        const as = (name: string): string[] =>
          ['cert', 'key'].flatMap((kind) => {
            const file = `${name}_${kind === 'key' ? 'privk' : kind}.pem`
            return [`--${kind}`, join(service.directory, file)]
          })
        const victim = service.nodes[2]!.nodeId
        const refused = async (...args: readonly string[]): Promise<string> => {
          const { code, stdout, stderr } = await operator.run(...args)
          expect([code, stdout]).toEqual([1, ''])
          return stderr
        }
        expect(await refused('remove', victim, ...as('member1'))).toContain('AuthorizationFailed')
        expect(await refused('remove', victim, ...as('user0'))).toContain('InvalidAuthenticationInfo')
        expect(await refused('add', ...as('member1'))).toContain('AuthorizationFailed')
        expect(await refused('remove', 'f'.repeat(64))).toContain('ResourceNotFound')

        const dora = await operator.add()
        const listed = await operator.run('list')
        expect(listed.stdout.split('\n').filter((line) => line.includes('Trusted'))).toHaveLength(4)
        expect(listed.stdout).toContain(dora.nodeId)
        const removed = await operator.run('remove', dora.nodeId.slice(0, 12))
        expect(removed).toMatchObject({ code: 0, stderr: '' })
        expect(removed.stdout).toContain(dora.nodeId)
        const ended = await dora.command.ended
        expect(ended.code).toBe(0)
        expect(ended.stderr).toContain('removed from the service')
        expect(await refused('remove', dora.nodeId)).toContain('InvalidNodeState')
        const { stdout } = await operator.run('list', '--json')
        expect(JSON.parse(stdout)).toMatchObject({
          nodes: expect.arrayContaining([expect.objectContaining({ node_id: dora.nodeId, status: 'Retired' })]),
        })
        expect(service.running).toHaveLength(3)
      }),
    TIMEOUT_MS,
  )
})
