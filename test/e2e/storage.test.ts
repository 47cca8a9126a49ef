// Goal: data directories are safe: two services or nodes never share one, a directory that cannot be written is refused with a clear word, a disk that
// fails under a running node costs that node alone, and after SIGKILL at any moment what was committed is in the surviving ledgers, proven offline.
import { fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { startBroker } from '../../runtime/bus/broker/broker.ts'
import { checkLedgers, readEntries } from '../../runtime/demo/ledgers.ts'
import { verifyLedger } from '../../runtime/verify-ledger.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import type { FromNode, NodePreparation } from '../../runtime/node-process-messages.ts'
import { DEFAULT_TIMING } from '../../runtime/node-setup.ts'
import { Prng } from '../../runtime/prng.ts'
import {
  connectClient,
  program,
  startTestService,
  temporaryDirectory,
  until,
  untilExited,
  untilPrimary,
  withService,
} from '../support/local-service.ts'
import { CLEAR_CODES, Load, missing } from './load.ts'

interface Ended {
  readonly code: number | null
  readonly output: string
}

/** Runs the program to its end, or kills it after a minute. */
async function run(args: readonly string[], options: { readonly uid?: number } = {}): Promise<Ended> {
  const child = spawn(process.execPath, [await program(), ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve))
  clearTimeout(timer)
  return { code, output }
}

/** Every file below a directory with the hash of its content. LMDB's lock file holds reader slots, not data. */
function fingerprint(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('-lock'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
}

/** What a running service keeps: all files but its ledgers and indexes, which it may write at any time; and how ledgers begin. */
function keeps(directory: string, before: readonly string[], ledger: Uint8Array): void {
  const isWritten = (line: string): boolean => /\/(ledger|index|past)\//.test(line)
  const still = fingerprint(directory)
  expect(still.filter((line) => !isWritten(line))).toEqual(before.filter((line) => !isWritten(line)))
  expect(still.length).toBe(before.length)
  const now = readFileSync(join(directory, 'node0', 'ledger', 'ledger_1'))
  expect(Buffer.compare(now.subarray(0, ledger.length), ledger)).toBe(0)
}

describe('two on one data directory', () => {
  it('a second service is refused while the first runs, and after it has ended, and changes nothing', async () => {
    const test = await startTestService()
    try {
      const { service } = test
      const client = await connectClient(service)
      await client.request('POST /log/private', { id: 1, msg: 'mine' }, { wait: 'committed' })
      const running = fingerprint(service.directory)
      const ledger = readFileSync(join(service.directory, 'node0', 'ledger', 'ledger_1'))
      const second = await run(['up', '--data', service.directory, '--port', '0'])
      expect(second.code).toBe(2)
      expect(second.output).toContain('holds an earlier service')
      expect(second.output).toContain('--fresh')
      keeps(service.directory, running, ledger)
      // Not even when asked to: it is in use.
      const fresh = await run(['up', '--data', service.directory, '--port', '0', '--fresh'])
      expect(fresh.code).not.toBe(0)
      keeps(service.directory, running, ledger)
      const read = await client.request('GET /log/private?id=1')
      expect(read.body).toEqual({ id: 1, msg: 'mine' })
      await client.close()
      await test.stop()
      const ended = fingerprint(service.directory)
      const third = await run(['up', '--data', service.directory, '--port', '0'])
      expect(third.code).toBe(2)
      expect(third.output).toMatch(/node0: 1 chunks?, signed up to \d+/)
      expect(fingerprint(service.directory)).toEqual(ended)
    } finally {
      await test.dispose()
    }
  })

  it('a second node is refused by the lock of the first, and by the ledger it left', () =>
    withService({}, async (service, test) => {
      const [node] = service.nodes
      const preparation: NodePreparation = {
        directory: node!.directory,
        reuse: false,
        service: 'test',
        servers: service.servers,
        token: undefined,
        curve: 'P-256',
        timing: DEFAULT_TIMING,
        flush: 'commit',
        chunkBytes: undefined,
        snapshotTxCount: undefined,
        journal: false,
        address: 'nowhere',
      }
      const prepare = async (): Promise<string> => {
        const child = fork(await program(), ['node-process'], {
          serialization: 'advanced',
          stdio: ['ignore', 2, 2, 'ipc'],
        })
        const answer = new Promise<FromNode>((resolve) =>
          child.once('message', (message) => resolve(message as FromNode)),
        )
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.send({ type: 'prepare', preparation })
        const said = await answer
        if (said.type !== 'failed') child.kill('SIGKILL')
        await ended
        return said.type === 'failed' ? said.reason : `it was ${said.type}`
      }
      expect(await prepare()).toMatch(/in use|locked|process \d+/)
      await test.stop()
      const before = fingerprint(service.directory)
      expect(await prepare()).toContain('holds the ledger of an earlier node')
      expect(fingerprint(service.directory)).toEqual(before)
    }))
})

describe('a disk that does not take it', () => {
  it('a data directory that cannot be written is refused in one line, and nothing is left running', async () => {
    const place = temporaryDirectory()
    try {
      const directory = join(place.path, 'read-only')
      mkdirSync(directory)
      chmodSync(place.path, 0o755)
      chmodSync(directory, 0o555)
      // To root nothing is read-only: then the program runs as nobody.
      const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {}
      const ended = await run(['up', '--data', join(directory, 'data'), '--port', '0'], nobody)
      expect(ended.code).toBe(1)
      expect(ended.output).toMatch(/EACCES|permission denied/)
      expect(ended.output.trim().split('\n').length).toBeLessThanOrEqual(2)
      expect(readdirSync(directory)).toEqual([])
    } finally {
      place.remove()
    }
  })

  it.each(['a backup', 'the primary'])(
    'a full disk under %s: the others go on, and nothing committed is lost',
    (victim) =>
      withService({}, async (service, test) => {
        const clients = await Promise.all([1, 2].map(() => connectClient(service, { requestTimeoutMs: 5000 })))
        const load = new Load().start(clients, 8)
        const { primary } = await untilPrimary(service)
        await until('some load', () => load.committed.length > 50)
        const node = service.nodes.find(({ nodeId }) => (victim === 'the primary') === (nodeId === primary))!
        await limitFileSize(node.pid, ledgerBytes(node.ledgerDirectory) + 20_000)
        if (victim === 'the primary') await untilPrimary(service, (now) => now.primary !== node.nodeId)
        const enough = load.committed.length + 100
        await until('the others to go on', () => load.committed.length > enough, 30_000)
        await load.stop()
        expect(load.defects).toEqual([])
        expect(CLEAR_CODES).toEqual(expect.arrayContaining([...load.failures.keys()]))
        expect(await missing(clients[0]!, load.committed)).toEqual([])
        // The node itself has said why, whether it still runs as a witness or has ended.
        await until('a word of the node about its disk', () =>
          test.notices.some((notice) => /ledger|EFBIG|disk/i.test(notice)),
        )
        await Promise.all(clients.map((client) => client.close()))
        await test.stop()
        const others = service.nodes.filter(({ nodeId }) => nodeId !== node.nodeId)
        expectLedgers(
          service,
          others.map(({ ledgerDirectory }) => ledgerDirectory),
          load,
        )
        // What is on the full disk is a whole signed prefix of the same ledger.
        const report = verifyLedger(node.ledgerDirectory, { crypto: nativeCrypto })
        expect(report.ok).toBe(true)
        expectPrefix(node.ledgerDirectory, others[0]!.ledgerDirectory, report.ok ? report.lastSignedSeqno : 0, load)
      }),
  )
})

const ledgerBytes = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)

/** From now on files of that process cannot grow beyond `bytes`: writes fail with EFBIG, as on a full disk with ENOSPC. */
async function limitFileSize(pid: number, bytes: number): Promise<void> {
  const child = spawn('prlimit', ['--pid', String(pid), `--fsize=${bytes}:${bytes}`], { stdio: ['ignore', 2, 2] })
  const code = await new Promise((resolve, reject) => {
    child.on('error', () => reject(new Error('this test needs prlimit: `apt-get install -y util-linux`')))
    child.on('exit', resolve)
  })
  expect(code).toBe(0)
}

function expectLedgers(service: LocalService, directories: readonly string[], load: Load): void {
  const outcomes = checkLedgers(directories, {
    crypto: nativeCrypto,
    serviceCertificatePem: service.serviceCertificatePem,
    committedSeqno: Math.max(...load.committed.map(({ txId }) => txId.seqno)),
    leaves: new Map(),
  })
  expect(outcomes.map(({ problem }) => problem)).toEqual(directories.map(() => undefined))
}

/** Up to what the other knows to be committed and this one has: byte for byte the same. */
function expectPrefix(directory: string, other: string, upTo: number, load: Load): void {
  const committed = Math.max(...load.committed.map(({ txId }) => txId.seqno))
  const [mine, theirs] = [readEntries(directory), readEntries(other)]
  for (let i = 0; i < Math.min(upTo, committed, mine.length); i++) expect(Buffer.compare(mine[i]!, theirs[i]!)).toBe(0)
}

describe('SIGKILL at any moment', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'seed %i: surviving ledgers are whole, the same, and hold all that was committed',
    async (seed) => {
      const prng = new Prng(seed)
      const broker = await startBroker()
      try {
        await withService({ curve: 'P-256', nats: broker.url, chunkBytes: 40_000 }, async (service, test) => {
          const clients = await Promise.all([1, 2].map(() => connectClient(service, { requestTimeoutMs: 4000 })))
          const load = new Load().start(clients, prng.integer(4, 16))
          const victims = [service.nodes[prng.integer(0, 2)]!]
          const moment = prng.integer(1, 120)
          await until('the moment', () => load.responses >= moment)
          service.kill(victims[0]!.nodeId)
          await untilExited(service, victims[0]!.nodeId)
          const enough = load.committed.length + prng.integer(10, 60)
          await until('commits without it', () => load.committed.length > enough, 30_000)
          // And now all at once, as when the power fails: nothing is shut down in order.
          for (const { nodeId } of service.running) service.kill(nodeId)
          await until('the end of all', () => service.running.length === 0)
          await Promise.all(clients.map((client) => client.close()))
          await load.stop()
          expect(load.defects).toEqual([])
          const survivors = service.nodes.filter((node) => !victims.includes(node))
          expect(test.notices).toEqual([])
          const { serviceCertificatePem } = service
          const reports = service.nodes.map(({ ledgerDirectory }) =>
            verifyLedger(ledgerDirectory, { crypto: nativeCrypto, serviceCertificatePem }),
          )
          expect(reports.map(({ ok }) => ok)).toEqual([true, true, true])
          // Each commit is on a majority of the three, under a signature. The third may be behind: also with the entries, but not yet
          // with the signature over them.
          const committed = Math.max(...load.committed.map(({ txId }) => txId.seqno))
          const complete = service.nodes.filter((_, i) => {
            const report = reports[i]!
            return report.ok && report.lastSignedSeqno >= committed
          })
          expect(complete.length).toBeGreaterThanOrEqual(2)
          expectLedgers(
            service,
            complete.map(({ ledgerDirectory }) => ledgerDirectory),
            load,
          )
          for (const { ledgerDirectory } of survivors)
            expectPrefix(ledgerDirectory, complete[0]!.ledgerDirectory, committed, load)
        })
      } finally {
        await broker.close()
      }
    },
  )
})
